# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""The names of a link: what it is called, and what else leads to it."""

from liaison._native.end cimport End
from liaison._native.engine cimport *
from liaison._native.space cimport SpaceHandle

from liaison._native.failure import failure


def label_of(End end not None):
    """What the link is called now."""
    cdef char label[104]
    end.check()
    liaison_link_label(end.box, label)
    return (<bytes>label).decode()


def set_label(End end not None, str label not None):
    """Set what the link is called."""
    cdef bytes text = label.encode()
    end.check()
    r = liaison_link_set_label(end.box, text)
    if r != LIAISON_OK:
        raise failure(r, end.address)


def alias(End end not None, str name not None):
    """Give the link one more name. Raises `NameTaken`."""
    cdef bytes text = name.encode()
    end.check()
    r = liaison_link_alias(end.box, text)
    if r != LIAISON_OK:
        raise failure(r, name if r == LIAISON_NAME_TAKEN else end.address, 0, "endpoint")


def retire(End end not None, str name not None):
    """Take one of the link's names away. Raises `NotFound`."""
    cdef bytes text = name.encode()
    end.check()
    r = liaison_link_retire(end.box, text)
    if r != LIAISON_OK:
        raise failure(r, end.address, 0, "endpoint")


def noted_names_of(SpaceHandle space not None, str id not None):
    """The names of the link with this id; None: it has more than are noted in its header."""
    cdef char names[LIAISON_NAMES_NOTED][104]
    cdef size_t count = 0, i
    cdef boolean all = False
    cdef bytes what = id.encode()
    r = liaison_link_names(space.space, what, names, &count, &all)
    if r == LIAISON_NOT_FOUND:
        return []
    if r != LIAISON_OK:
        raise failure(r, space.path)
    return [(<bytes>names[i]).decode() for i in range(count)] if all else None


def version_of(End end not None):
    """Another number after every change of the link's names; odd once it was destroyed."""
    end.check()
    return liaison_link_version(end.box)
