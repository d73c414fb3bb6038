"""Where PyInstaller finds what it has to know of liaison; the entry point in pyproject.toml."""

from pathlib import Path


def hook_directories() -> list[str]:
    """List the directories that have hooks for it."""
    return [str(Path(__file__).parent)]
