"""The carrier of one machine, and the contract that it fulfils."""

import inspect

import pytest

from liaison import Delivery, Loan, NamedPipe, Receipt
from liaison._native import delivery, loan, receipt
from liaison._native.link import end_of
from liaison._native.several import Several
from liaison.carriers import contract
from liaison.carriers.shm.end import MailboxEnd
from liaison.carriers.shm.endpoint import EndpointEnd
from liaison.carriers.shm.pipe import PipeEnd


@pytest.mark.parametrize(
    ("promised", "ours"),
    [
        (contract.End, MailboxEnd),
        (contract.PipeEnd, PipeEnd),
        (contract.EndpointEnd, EndpointEnd),
        (contract.Several, Several),
        (Delivery, delivery.Delivery),
        (Loan, loan.Loan),
        (Receipt, receipt.Receipt),
    ],
)
def test_the_engines_has_all_that_is_abstract(promised, ours):
    """It is no subclass of the contract's, which would cost a call's time: it has each name."""
    assert issubclass(ours, promised)
    for name in promised.__abstractmethods__:
        found = getattr(ours, name)
        assert name.startswith("__") or not callable(found) or inspect.getdoc(found), name


def test_a_mailbox_is_what_the_contract_says(mailbox):
    """An end fulfils End, what it gives is what users know, and it says how it is carried."""
    box = mailbox()
    assert isinstance(end_of(box), contract.End)
    assert box.link.carrier == "shm"
    with box.loan(1) as loan:
        assert isinstance(loan, Loan)
    receipt = box.send(b"tea", receipt=True)
    assert isinstance(receipt, Receipt)
    with box.lease() as delivery:
        assert isinstance(delivery, Delivery)


def test_both_ways_have_all_that_is_abstract(space):
    """A named pipe's end is two of the contract's, and has each name."""
    with NamedPipe("both") as pipe:
        for name in contract.PipeEnd.__abstractmethods__ - {"descriptors", "handle", "handed"}:
            assert hasattr(end_of(pipe), name), name
