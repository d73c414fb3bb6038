"""Which files are found, and how they are read."""

import os

import pytest

from liaison.demo.figures import figures_of
from liaison.demo.survey import load, survey


def test_the_standard_library_is_found():
    """Without a path there is enough to do, all of it Python."""
    found = survey()
    assert len(found.sources) > 100
    assert all(source.python for source in found.sources)
    assert not any("site-packages" in found.name(source.id) for source in found.sources)


def test_ids_follow_the_order_of_paths(tree):
    """The order does not depend on the order of the directory."""
    paths = [source.path for source in survey(str(tree)).sources]
    assert paths == sorted(paths)
    assert [source.id for source in survey(str(tree)).sources] == list(range(len(paths)))


def test_a_file_that_has_grown_is_not_read(tmp_path):
    """Room was made for what was listed, so more than that is refused; less is not."""
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
    """Tokens that cannot be read are counted as far as they can."""
    figures = figures_of(contents, python=True)
    assert figures.size == len(contents)
    assert figures.tokens is not None
