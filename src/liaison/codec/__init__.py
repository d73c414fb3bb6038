"""Encoding Python objects as messages, and decoding messages.

A message is a format, which is a small number that is sent with it, and a payload of bytes:

=======  ==================================================  ==================================
format   payload                                             arrives as
=======  ==================================================  ==================================
RAW      the bytes themselves                                `bytes`, or as ``type=`` says
MSGPACK  MessagePack                                         plain data, or validated as ``type=``
ARRAY    length of the description (4 bytes, little          `numpy.ndarray` (a scalar as a
         endian), the description as MessagePack, zeros up   scalar); a `memoryview` without
         to a multiple of 16, the items                      NumPy
ARROW    an Arrow IPC stream                                 `pyarrow.Table` or ``ChunkedArray``
PICKLE   a pickle, protocol 5                                the object, with ``codec="pickle"``
CUSTOM   what the user's codec encoded                       what the user's codec decodes
=======  ==================================================  ==================================

Encoding never copies an array: the carrier copies it once, directly into shared memory. Decoding
trusts nothing. A sender can write any bytes under any format, and can change them while they are
read. So a payload with structure is copied first and parsed from the copy; every size is compared
with the actual bytes before memory is reserved for it; a message that is nested more than 64 deep
or has more than 4,194,304 items is refused before anything is built of it; and only the receiver
can ask for pickles, never the format of a message.
"""

from liaison.codec.coder import Coder
from liaison.codec.format import Format
from liaison.codec.protocol import Codec, CodecName

__all__ = ["Codec", "CodecName", "Coder", "Format"]
