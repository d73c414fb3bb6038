# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""The bytes of a stream of frames that have arrived and were not taken yet; it uses no socket.

Small frames lie in a window, one after the other. A large message comes straight to where it stays,
and its header is believed only as far as bytes follow it: memory is taken for 1 MiB at first, and
then for as much again as has come.
"""

cimport cython
from cpython.bytearray cimport (
    PyByteArray_AS_STRING, PyByteArray_FromStringAndSize, PyByteArray_Resize,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport PyObject, Py_DECREF, Py_INCREF
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove

from liaison._native.header cimport BYE, HEAD, LAST_FORMAT, kind_in, size_in, word_at

from liaison.errors import Corrupt, TooLarge

cdef extern from "Python.h":
    int _PyBytes_Resize(PyObject **, Py_ssize_t) except -1

cdef enum:
    ARRAY = 2  # liaison.codec.Format.ARRAY
    IN_PLACE = 1 << 14  # from here on a payload is received where it will stay
    GLANCE = 1 << 12  # bytes received at once where a large message is expected
    UNSEEN = 1 << 20  # bytes that memory is taken for before they have come


@cython.final
cdef class Arrivals:
    """The bytes that have arrived, and the frames in them."""

    def __cinit__(self):
        self.window = <char *>malloc(WINDOW)
        if self.window == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.window)

    # ---- bytes

    cdef int put(self, bytes data) except -1:
        """Take bytes, at most WINDOW, that came before any other."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        memcpy(self.window, PyBytes_AS_STRING(data), size)
        self.end = size
        return 0

    cdef char *place(self, Py_ssize_t *room) except NULL:
        """Where the next bytes belong, and how many of them."""
        if self.large is not None:
            if self.large_here == self.large_room:
                self.grow()
            room[0] = self.large_room - self.large_here
            return self.large_at + self.large_here
        if self.start == self.end:
            self.start = self.end = 0
        elif self.start and WINDOW - self.start < HEAD + IN_PLACE:
            memmove(self.window, self.window + self.start, self.end - self.start)
            self.end -= self.start
            self.start = 0
        room[0] = WINDOW - self.end
        if self.expecting_large:
            room[0] = min(room[0], GLANCE)
        return self.window + self.end

    cdef void came(self, Py_ssize_t count) noexcept:
        """Take the bytes that were put there."""
        if self.large is not None:
            self.large_here += count
        else:
            self.end += count

    cdef int grow(self) except -1:
        """Take memory for more of a large message, whose memory is full."""
        cdef uint64_t room = min(self.large_size, 2 * self.large_room)
        cdef PyObject *raw
        if self.kind == ARRAY:
            PyByteArray_Resize(self.large, room)
            self.large_at = PyByteArray_AS_STRING(self.large)
        else:
            # The system moves pages rather than bytes where it can. No other reference may exist.
            raw = <PyObject *>self.large
            Py_INCREF(self.large)
            self.large = None
            try:
                _PyBytes_Resize(&raw, room)
            except MemoryError:  # what had arrived of it is lost
                self.forgone = self.large_size
                raise
            self.large = <object>raw
            Py_DECREF(self.large)
            self.large_at = PyBytes_AS_STRING(self.large)
        self.large_room = room
        return 0

    cdef Py_ssize_t here(self) noexcept:
        """How many bytes wait in the window."""
        return self.end - self.start

    cdef bytes first(self, Py_ssize_t count):
        """The first so many of them."""
        return PyBytes_FromStringAndSize(self.window + self.start, count)

    # ---- frames

    cdef int next(self) except -1:
        """What has arrived as a whole: one of `Found`."""
        cdef char *at = self.window + self.start
        cdef Py_ssize_t here = self.end - self.start - HEAD
        cdef uint64_t word, size
        if self.large is not None:
            return MESSAGE if self.large_here == self.large_size else NOTHING
        if here < 0:
            return NOTHING
        word = word_at(at)
        size = size_in(word)
        self.kind = kind_in(word)
        self.size = size
        if self.kind > LAST_FORMAT:
            if self.kind != BYE or size:
                return NO_FRAME
            self.seen = word_at(at + 8)
            self.start += HEAD
            return LAST_FRAME
        if size > self.most:
            return NO_FRAME
        if size <= <uint64_t>here:
            return MESSAGE
        if size >= IN_PLACE:
            self.large_room = min(size, UNSEEN)
            if self.kind == ARRAY:
                self.large = PyByteArray_FromStringAndSize(NULL, self.large_room)
                self.large_at = PyByteArray_AS_STRING(self.large)
            else:
                self.large = PyBytes_FromStringAndSize(NULL, self.large_room)
                self.large_at = PyBytes_AS_STRING(self.large)
            memcpy(self.large_at, at + HEAD, here)
            self.large_size = size
            self.large_here = here
            self.large_count = word_at(at + 8)
            self.start = self.end = 0
        return NOTHING

    cdef object fault(self):
        """The error that NO_FRAME means. Nothing can be taken any more."""
        cdef uint64_t word = word_at(self.window + self.start)
        self.start = self.end = 0
        if self.kind > LAST_FORMAT:
            return Corrupt(f"bytes that are no frame of liaison came: {word:#018x}")
        return TooLarge(
            f"a message of {self.size} bytes came, and this end takes {self.most}; "
            "let it listen or connect with a larger max_message=")

    cdef object payload(self):
        """That of the MESSAGE."""
        if self.large is not None:
            return self.large
        return PyBytes_FromStringAndSize(self.window + self.start + HEAD, self.size)

    cdef void consume(self) noexcept:
        """Go on behind the MESSAGE."""
        if self.large is not None:
            self.seen = self.large_count
            self.large = None
            self.expecting_large = True
        else:
            self.seen = word_at(self.window + self.start + 8)
            self.start += HEAD + self.size
            self.expecting_large = False

    # ---- what lies ahead

    cdef bint ready(self) noexcept:
        """Whether `next` finds something, be it no frame."""
        cdef Py_ssize_t here = self.end - self.start - HEAD
        cdef uint64_t word
        if self.large is not None:
            return self.large_here == self.large_size
        if here < 0:
            return False
        word = word_at(self.window + self.start)
        return (size_in(word) <= <uint64_t>here or size_in(word) > self.most
                or kind_in(word) > LAST_FORMAT)

    cdef uint64_t highest(self, Py_ssize_t skip) noexcept:
        """The highest count of received messages in the frames here, of which none begins before
        `skip` bytes.
        """
        cdef Py_ssize_t at = self.start + skip
        cdef uint64_t seen = self.seen, size
        if self.large is not None:
            return max(seen, self.large_count)
        while self.end - at >= HEAD:
            seen = max(seen, word_at(self.window + at + 8))
            size = size_in(word_at(self.window + at))
            if size > WINDOW:
                break
            at += HEAD + <Py_ssize_t>size
        return seen

    cdef str cut(self):
        """For an error's text: the message that was cut off at the end of the bytes."""
        cdef Py_ssize_t here = self.here()
        cdef uint64_t size
        if self.large is not None:
            return f"; one more was cut off after {self.large_here} bytes of {self.large_size}"
        if here == 0:
            return ""
        size = size_in(word_at(self.window + self.start)) if here >= HEAD else 0
        of = f" of {size}" if size else ""
        return f"; one more was cut off after {max(0, here - HEAD)} bytes{of}"
