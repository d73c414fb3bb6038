"""How a Python object becomes a message, and back.

A message is a format, which is a small number that travels beside it, and a payload of bytes:

=======  ==================================================  ==================================
format   payload                                             arrives as
=======  ==================================================  ==================================
RAW      the bytes themselves                                `bytes`, or as ``type=`` says
MSGPACK  MessagePack                                         plain data, or validated as ``type=``
ARRAY    length of the description (4 bytes, little          `numpy.ndarray` (a scalar as a
         endian), the description as MessagePack, zeros up   scalar); a `memoryview` where
         to a multiple of 16, the items                      NumPy is missing
ARROW    an Arrow IPC stream                                 `pyarrow.Table` or ``ChunkedArray``
PICKLE   a pickle, protocol 5                                the object, where it was asked for
CUSTOM   what the user's codec made                          what the user's codec makes of it
=======  ==================================================  ==================================

Encoding never copies an array: the carrier copies it once, straight into shared memory. Decoding
trusts nothing. Whoever may send can write any bytes under any format, and can go on writing while
they are read; so what has structure is copied first and parsed from the copy, every size is
compared with the bytes that are really there before anything is reserved for it, what is nested
more than 64 deep or has more than 4,194,304 items is refused before anything is built of it, and
the format in a message never selects pickle: the receiver does.
"""

from liaison.codec.coder import Coder
from liaison.codec.format import Format
from liaison.codec.protocol import Codec, CodecName

__all__ = ["Codec", "CodecName", "Coder", "Format"]
