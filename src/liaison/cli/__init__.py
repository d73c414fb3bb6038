"""The command line: ``liaison``, or ``python -m liaison``.

A file is a command, imported when it is called; what they share is in ``root`` (which commands
there are), ``command`` (the options of all), ``failure`` (errors and exit codes), ``parameters``
(what can be typed), ``sight`` (looking at links) and ``output`` (JSON and words for people).
"""

from liaison.cli.root import main

__all__ = ["main"]
