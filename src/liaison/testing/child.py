"""The program that `liaison.testing.Process` starts: reads what to run, and runs it."""

from __future__ import annotations

import pickle
import sys
from multiprocessing.connection import Connection
from typing import Any

from liaison.testing.process import run


def main() -> int:
    """Run what the parent says on the descriptor that is this program's argument."""
    connection: Connection[Any, Any] = Connection(int(sys.argv[1]))
    name, arguments = pickle.loads(connection.recv_bytes())
    return run(connection, name, arguments)


if __name__ == "__main__":
    sys.exit(main())
