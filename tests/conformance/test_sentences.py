"""The page that tells which test holds which sentence."""

import inspect

from tests.conformance.sentences import ELSEWHERE, ROOT, UNTESTED, _rows, page


def test_the_page_tells_of_every_test():
    """The page that `nox -s docs` writes has a line for each test of the contract."""
    lines = page().splitlines()
    for _, _, tests in _rows():
        for name, _ in tests:
            assert any(f"`{name}`" in line for line in lines), name


def test_each_test_states_one_sentence():
    """Every test has a docstring, which ends with a full stop."""
    for file, _, tests in _rows():
        assert tests, file
        for name, test in tests:
            sentence = inspect.getdoc(test)
            assert sentence, f"{file}: {name}"
            assert sentence.endswith("."), f"{file}: {name}"


def test_other_tests_are_there():
    """A test that is said to hold a sentence exists, and no sentence is said to be both."""
    for path in ELSEWHERE.values():
        assert (ROOT / path).is_file(), path
    assert not ELSEWHERE.keys() & UNTESTED.keys()
