"""The links that users hold. A link defines what its operations do; a carrier carries them out."""
