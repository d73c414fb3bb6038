"""What an end tells of its link with; facts.pyx says what it all means."""
from liaison._native.engine cimport *

cdef object statistics_of(const liaison_statistics *s)
cdef dict facts_of(const liaison_info *info, str dead_letters, object creator, list attached)
