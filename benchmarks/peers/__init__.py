"""The contenders: liaison and its peers. Importing this imports none of them."""

from .contract import Crossed, End, Link, Peer, Role, Unsupported
from .faster_fifo import FasterFifo
from .hyperq import Hyperq
from .iceoryx import Iceoryx
from .liaison import KINDS, Kind, Liaison
from .nng import Nng
from .pipe import Pipe
from .posix_ipc import PosixMessageQueue
from .queue import Queue, SimpleQueue
from .socket import Socket
from .tachyon import Tachyon
from .zeromq import ZeroMQ

__all__ = [
    "KINDS",
    "OURS",
    "PEERS",
    "Crossed",
    "End",
    "Kind",
    "Link",
    "Peer",
    "Role",
    "Unsupported",
]

OURS = Liaison.name

PEERS: tuple[Peer, ...] = (
    Liaison(),
    Hyperq(),
    FasterFifo(),
    Iceoryx(),
    Tachyon(),
    PosixMessageQueue(),
    ZeroMQ(),
    Nng(),
    Pipe(),
    Queue(),
    SimpleQueue(),
    Socket(),
)
