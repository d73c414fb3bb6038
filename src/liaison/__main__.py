"""``python -m liaison``: the command line, if its script is not on the path."""

from liaison.cli import main

main(prog_name="python -m liaison")
