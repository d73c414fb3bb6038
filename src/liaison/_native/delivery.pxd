"""What hands a message out under lease; delivery.pyx says what it all means."""
from liaison._native.engine cimport *
from liaison._native.handle cimport Held

cdef class Delivery(Held):
    cdef liaison_delivery delivery
    cdef object decoded
    cdef object from_
