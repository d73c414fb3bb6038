"""The carrier of one machine, and the contract that it fulfils."""

import inspect

import pytest

from liaison import Delivery, Loan, Mailbox, Receipt
from liaison.carriers.contract import (
    DeliveryContract,
    LoanContract,
    MailboxContract,
    ReceiptContract,
)
from liaison.carriers.shm import MailboxEnd


def promised(contract):
    return {
        name
        for name, value in vars(contract).items()
        if not name.startswith("_") and (callable(value) or isinstance(value, property))
    } | {name for name in ("__enter__", "__exit__", "__len__") if name in vars(contract)}


@pytest.mark.parametrize(
    ("cls", "contract"),
    [
        (MailboxEnd, MailboxContract),
        (Delivery, DeliveryContract),
        (Loan, LoanContract),
        (Receipt, ReceiptContract),
    ],
)
def test_the_carrier_has_what_the_contract_promises(cls, contract):
    """Every method and property of a contract is there, and every method is documented."""
    for name in promised(contract):
        found = getattr(cls, name)
        assert name.startswith("__") or not callable(found) or inspect.getdoc(found), name


def test_a_mailbox_is_what_the_contract_says(mailbox):
    """An end fulfils MailboxContract, and says how it is carried."""
    box = mailbox()
    assert isinstance(box, MailboxContract)
    assert box.link.carrier == "shm"


def test_what_another_carrier_would_carry_is_refused(space):
    """An address whose scheme carries no mailboxes raises InvalidAddress, and creates nothing."""
    for address in ("tcp://localhost:1", "unix:///tmp/box"):
        with pytest.raises(ValueError, match=address):
            Mailbox(address)
    assert list(space.root.iterdir()) == []
