"""What links ask of a carrier's ends through C; carrier.pyx says what it all means."""

cdef class CarrierEnd:
    cdef object __weakref__

    cdef object send_object(self, object message, object timeout, bint receipt)
    cdef bint try_send_object(self, object message) except -1
    cdef Py_ssize_t send_objects(self, object messages, object timeout) except -1
    cdef object receive_object(self, object timeout)
    cdef object try_receive_object(self, object default)
    cdef list receive_objects(self, Py_ssize_t max, object timeout)
    cdef object lease_object(self, object timeout)
    cdef object send_to(self, object to, object message, object timeout, bint receipt)
    cdef object receive_from(self, object source, object timeout)
