"""The command line: ``liaison``, or ``python -m liaison``.

A file is a command, imported when it is called. They share ``root`` (the list of commands),
``command`` (the options of all), ``failure`` (errors and exit codes), ``parameters`` (types of
arguments), ``sight`` (observing links) and ``output`` (JSON, and text for people).
"""

from liaison.cli.root import main

__all__ = ["main"]
