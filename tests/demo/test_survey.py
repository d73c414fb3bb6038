"""The survey finds files, and reads them."""

import os

import pytest

from liaison.demo.figures import figures_of
from liaison.demo.survey import load, survey


def test_the_standard_library_is_found():
    """Without a path the sources of the standard library are found."""
    found = survey()
    assert len(found.sources) > 100
    assert all(source.python for source in found.sources)
    assert not any("site-packages" in found.name(source.id) for source in found.sources)


def test_ids_follow_the_order_of_paths(tree):
    """Ids follow the sorted paths, not the directory's order."""
    paths = [source.path for source in survey(str(tree)).sources]
    assert paths == sorted(paths)
    assert [source.id for source in survey(str(tree)).sources] == list(range(len(paths)))


def test_a_file_that_has_grown_is_not_read(tmp_path):
    """A file may be shorter than it was when it was listed, but not longer."""
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    assert load(os.fsencode(file), 9) == b"12345"
    with pytest.raises(OSError, match="more than the 4 bytes"):
        load(os.fsencode(file), 4)


@pytest.mark.parametrize(
    "contents",
    [
        b"x = '''",
        b"(",
        b"\xff",
        b"# coding: nonsense\n",
        b"# coding: hex\n00\n",
        b"a\0b",
        b"  x\n y",
    ],
)
def test_sources_with_errors_have_figures(contents):
    """Tokens are counted up to an error."""
    figures = figures_of(contents, python=True)
    assert figures.size == len(contents)
    assert figures.tokens is not None
