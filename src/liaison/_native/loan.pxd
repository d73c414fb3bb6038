"""What lends a link's memory; loan.pyx says what it all means."""
from liaison._native.engine cimport *
from liaison._native.handle cimport Held

cdef class Loan(Held):
    cdef liaison_loan loan_
