import pytest


@pytest.fixture
def tree(tmp_path):
    """A small tree of files of all kinds, each of which takes a worker a while."""
    root = tmp_path / "tree"
    (root / "package").mkdir(parents=True)
    for number in range(10):
        lines = (f"value_{n} = [{n}, {number}]  # line {n}\n" for n in range(2000))
        (root / "package" / f"module_{number}.py").write_text("".join(lines))
    (root / "empty.py").touch()
    (root / "broken.py").write_text("text = '''never ended\n")
    (root / "undecodable.py").write_bytes(b"# coding: utf-8\nname = '\xff\xfe'\n")
    (root / "foreign.py").write_text("# coding: hex\nx = 1\n")
    (root / "binary.dat").write_bytes(bytes(range(256)) * 100)
    (root / "link.py").symlink_to("empty.py")
    return root
