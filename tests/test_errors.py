import copy
import errno
import pickle
import queue
import re

import pytest

from liaison import errors
from liaison.errors import DecodeError, LiaisonError, RemoteError

KIN = {
    "Full": queue.Full,
    "NoReceiver": errors.Full,
    "Empty": queue.Empty,
    "Busy": BlockingIOError,
    "CallTimeout": TimeoutError,
    "InvalidAddress": ValueError,
    "Mismatch": ValueError,
    "TooLarge": ValueError,
    "EncodeError": ValueError,
    "DecodeError": ValueError,
    "Closed": ValueError,
    "Deadlock": LiaisonError,
    "LeaseLost": LiaisonError,
    "RemoteError": LiaisonError,
    "NotFound": FileNotFoundError,
    "NameTaken": FileExistsError,
    "AccessDenied": PermissionError,
    "NotOwner": PermissionError,
    "NoSpace": OSError,
    "Unsupported": OSError,
    "Destroyed": BrokenPipeError,
    "PeerDied": ConnectionResetError,
    "Ended": EOFError,
    "Disconnected": BrokenPipeError,
    "Corrupt": OSError,
    "VersionMismatch": OSError,
}
NUMBERS = {
    "Busy": errno.EAGAIN,
    "CallTimeout": errno.ETIMEDOUT,
    "NotFound": errno.ENOENT,
    "NameTaken": errno.EEXIST,
    "AccessDenied": errno.EACCES,
    "NotOwner": errno.EPERM,
    "NoSpace": errno.ENOSPC,
    "Unsupported": errno.ENOSYS,
    "Destroyed": errno.EPIPE,
    "PeerDied": errno.ECONNRESET,
    "Disconnected": errno.EPIPE,
    "Corrupt": errno.EUCLEAN,
    "VersionMismatch": errno.EPROTONOSUPPORT,
}
each = pytest.mark.parametrize("name", KIN)


def test_table_is_complete():
    """The tables of this file name every public error."""
    assert {*KIN, "LiaisonError"} == set(errors.__all__)
    assert set(NUMBERS) == {name for name, kin in KIN.items() if issubclass(kin, OSError)}


@each
def test_error_is_also_what_programs_catch_already(name):
    """Every error is a LiaisonError and an instance of the builtin or queue class of its kind."""
    error = getattr(errors, name)("text")
    assert isinstance(error, LiaisonError)
    assert isinstance(error, KIN[name])


@each
def test_str_is_the_message(name):
    """The text of an error is the message it was made with, without a number before it."""
    assert str(getattr(errors, name)("no room in orders")) == "no room in orders"
    assert getattr(errors, name)().args is not None


@each
def test_error_survives_pickling_and_copying(name):
    """An error that was pickled or copied has its class, its text and its number still."""
    error = getattr(errors, name)("text")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert again.args == error.args
        assert str(again) == "text"
        assert getattr(again, "errno", None) == getattr(error, "errno", None)


@pytest.mark.parametrize("name", NUMBERS)
def test_errors_of_the_system_have_its_number(name):
    """An error that is an OSError has the system's errno, and the class that Python has for it."""
    error = getattr(errors, name)("text")
    assert error.errno == NUMBERS[name]
    assert isinstance(error, type(OSError(NUMBERS[name], "text")))


def test_decode_error_carries_the_message():
    """A DecodeError has the payload and the format of the message, pickled too."""
    error = DecodeError("bad", payload=b"\x00", format=1)
    again = pickle.loads(pickle.dumps(error))
    assert (again.payload, again.format, str(again)) == (b"\x00", 1, "bad")
    assert DecodeError("bad").payload == b""
    assert DecodeError("bad").format is None


def test_errors_of_a_connection_tell_what_was_delivered():
    """What Ended and Disconnected know of the messages survives pickling."""
    ended = pickle.loads(pickle.dumps(errors.Ended("gone", clean=True, received=3)))
    assert (str(ended), ended.clean, ended.received) == ("gone", True, 3)
    lost = pickle.loads(pickle.dumps(errors.Disconnected("gone", sent=9, confirmed=7)))
    assert (str(lost), lost.sent, lost.confirmed) == ("gone", 9, 7)


def test_remote_error_names_the_class_of_the_other_side():
    """A RemoteError shows the class of the remote exception before its message, pickled too."""
    error = RemoteError("no row 7", type="shop.NoRow", traceback="Traceback")
    again = pickle.loads(pickle.dumps(error))
    assert (again.type, again.message, again.traceback) == ("shop.NoRow", "no row 7", "Traceback")
    assert str(again) == "shop.NoRow: no row 7"


@each
def test_drawing_shows_every_error(name):
    """The drawing at the top of the module has each error once, beside the class it also is."""
    (line,) = re.findall(rf"── {name}\b(.*)", errors.__doc__)
    kin = KIN[name]
    if kin not in (LiaisonError, errors.Full):
        assert kin.__name__ in line


@each
def test_docstring_says_whose_fault_and_whether_to_retry(name):
    """The description of every error says whose fault it is and whether to retry."""
    text = getattr(errors, name).__doc__
    assert "Fault: " in text
    assert "Retry: " in text
