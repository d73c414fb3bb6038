"""Messages that lie, of every format, in a process of their own."""

import subprocess
import sys

import pytest

pytest.importorskip("numpy")
pytest.importorskip("pyarrow")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_lies_is_a_decode_error_or_a_value_that_can_be_used(seed, tmp_path):
    """Thousands of hostile messages crash nothing, take no gigabytes, and raise DecodeError only."""
    case = tmp_path / "case"
    done = subprocess.run(
        [sys.executable, "-m", "tests.codec.hostile", f"-seed={seed}", "-runs=8000", f"-case={case}"],
        capture_output=True,
        text=True,
        check=False,
    )
    last = case.read_bytes().hex() if case.exists() else ""
    assert done.returncode == 0, f"{done.stderr}\nthe message, as -replay= reads it: {last}"
    assert "were values" in done.stdout
