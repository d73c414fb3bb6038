"""The links: what users hold. They say what a link is; a carrier says how it works there."""
