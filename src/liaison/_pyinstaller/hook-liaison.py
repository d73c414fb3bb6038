"""What PyInstaller cannot see: what compiled modules import, and what is imported by its name."""

from PyInstaller.utils.hooks import collect_submodules, copy_metadata

# Each of these is a program's own choice: PyInstaller sees who imports it, and what it imports.
_CHOSEN = ("aio", "cli", "demo", "testing", "__main__", "_benchmarks", "_pyinstaller")

hiddenimports = collect_submodules(
    "liaison", filter=lambda name: f"{name}.".split(".")[1] not in _CHOSEN
)
hiddenimports += ["pickle"]  # codec="pickle"
datas = copy_metadata("liaison-ipc")  # liaison.__version__
