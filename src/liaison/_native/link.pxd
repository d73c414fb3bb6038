"""What other compiled modules may do with a user's object; link.pyx says what it all means."""

from liaison._native.carrier cimport CarrierEnd

cdef class Attached:
    cdef CarrierEnd end
    cdef object __weakref__

cpdef object end_of(object link)
