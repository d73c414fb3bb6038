"""False messages of every format, in a process of their own."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("numpy")
pytest.importorskip("pyarrow")


SECONDS = os.environ.get("LIAISON_FUZZ_SECONDS")


@pytest.mark.fuzz
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_false_message_is_a_decode_error_or_a_usable_value(seed, tmp_path):
    """Thousands of hostile messages crash nothing, take no gigabytes, raise DecodeError only."""
    case = tmp_path / "case"
    # With time given, other messages each time; without, the same in every run.
    often = ["-runs=8000", f"-seed={seed}"]
    if SECONDS:
        often = [f"-max_total_time={float(SECONDS) / 3}"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.codec.hostile", *often, f"-case={case}"],
        capture_output=True,
        text=True,
        check=False,
    )
    last = case.read_bytes().hex() if case.exists() else ""
    assert done.returncode == 0, f"{done.stderr}\nthe message, as -replay= reads it: {last}"
    assert "were values" in done.stdout
