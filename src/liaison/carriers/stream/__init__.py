"""The carrier of stream sockets: Unix, TCP and TLS.

From the bottom: `handshake` is how two ends find out who the other is, without any input or output;
`tls` adds encryption to it, `place` knows which sockets an address means and who may use it,
`greeting` brings a new connection to where messages may flow, `newcomers` says who may stay until
then, and `Frames`, which is compiled, sends and receives them.
"""

from liaison._native.descriptor import Descriptor
from liaison._native.frames import LARGEST, Frames
from liaison._native.poll import Poll

__all__ = ["LARGEST", "Descriptor", "Frames", "Poll"]
