"""The page that tells which test holds which sentence."""

import inspect

from tests.conformance.sentences import ELSEWHERE, PAGE, ROOT, UNTESTED, _rows, page


def test_the_page_is_up_to_date():
    """docs/contract.md is what `python -m tests.conformance.sentences` writes."""
    assert PAGE.read_text(encoding="utf-8") == page()


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
