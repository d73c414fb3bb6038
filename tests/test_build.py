"""The build fetches a compiler exactly if there is none; CI installs only what is pinned."""

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    file = ROOT / "build_backend" / "liaison_build.py"
    spec = importlib.util.spec_from_file_location("liaison_build", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(ROOT)  # where a front end calls the hooks
    monkeypatch.delenv("CC", raising=False)
    return module


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty directory that is all of PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def add_program(directory: Path, name: str) -> None:
    program = directory / name
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)


def asks_for_compiler(requirements: list[str]) -> bool:
    return any(requirement.startswith("ziglang") for requirement in requirements)


@pytest.mark.parametrize("kind", ["wheel", "editable"])
@pytest.mark.parametrize(
    ("program", "variable", "fetched"),
    [
        (None, None, True),
        (None, "", True),  # as if it were unset
        (None, "/opt/cc", False),
        ("cc", None, False),
        ("gcc", None, False),
        ("clang", None, False),
    ],
)
def test_a_compiler_is_fetched_exactly_if_there_is_none(
    backend, programs, monkeypatch, kind, program, variable, fetched
):
    """A compiler is a build requirement unless $CC names one, or one is on PATH."""
    if program is not None:
        add_program(programs, program)
    if variable is not None:
        monkeypatch.setenv("CC", variable)
    hook = getattr(backend, f"get_requires_for_build_{kind}")
    assert asks_for_compiler(hook()) is fetched


def test_source_distribution_needs_no_compiler(backend, programs):
    """Packing the sources compiles nothing."""
    assert not asks_for_compiler(backend.get_requires_for_build_sdist())


@pytest.mark.parametrize("hook", ["build_wheel", "build_editable"])
def test_build_sees_the_compiler_only_while_it_runs(backend, programs, monkeypatch, hook):
    """$CC is an executable script during the build and gone after it, failed or not."""
    seen = []

    def build(*_):
        seen.append(os.environ["CC"])
        assert os.access(seen[0], os.X_OK)
        raise RuntimeError("the build failed")

    monkeypatch.setattr(f"scikit_build_core.build.{hook}", build)
    with pytest.raises(RuntimeError, match="the build failed"):
        getattr(backend, hook)("dist")
    assert "CC" not in os.environ
    assert not os.path.exists(seen[0])


@pytest.mark.parametrize("hook", ["build_wheel", "build_editable"])
def test_build_leaves_the_machines_compiler_alone(backend, programs, monkeypatch, hook):
    """If there is a compiler, CMake finds it by itself."""
    add_program(programs, "gcc")
    monkeypatch.setattr(
        f"scikit_build_core.build.{hook}", lambda *_: os.environ.get("CC", "left to CMake")
    )
    assert getattr(backend, hook)("dist") == "left to CMake"


@pytest.mark.nocompiler
@pytest.mark.timeout(900)
def test_installs_where_there_is_only_python(tmp_path):
    """With no compiler, CMake, Ninja or make on PATH, pip installs a package that works."""
    venv.create(tmp_path, with_pip=True)
    environment = {name: value for name, value in os.environ.items() if name != "CC"}
    environment["PATH"] = str(tmp_path / "bin")

    def run(*command: str) -> str:
        return subprocess.run(
            [tmp_path / "bin" / command[0], *command[1:]],
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ).stdout

    log = run("pip", "install", "--verbose", str(ROOT))
    assert "ziglang" in log
    assert run("python", "-c", "import liaison; print(liaison.__file__)").startswith(str(tmp_path))


# ---- what CI installs

CONSTRAINTS = ROOT / ".ci" / "constraints.txt"


def pinned() -> dict[str, list[Requirement]]:
    """The lines of the file, by package: one can have a version for each Python."""
    found: dict[str, list[Requirement]] = {}
    for line in CONSTRAINTS.read_text().splitlines():
        if not line.startswith((" ", "#")):
            requirement = Requirement(line.removesuffix("\\"))
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def test_every_line_pins_a_version_with_hashes():
    """Every line pins one version with the SHA-256 of its files, for every machine."""
    text = CONSTRAINTS.read_text()
    lines = [line for line in text.replace("\\\n", "").splitlines() if not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(
            r"[a-z0-9-]+==[\w.]+( ; [^#]*?)?\s+(--hash=sha256:[0-9a-f]{64}\s*)+", line
        )


def test_every_requirement_is_pinned(backend, programs):
    """Requirements of the package, its development and its build, without a compiler too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    asked = [
        *project["build-system"]["requires"],
        *backend.get_requires_for_build_wheel(),
        *backend.get_requires_for_build_editable(),
        *project["project"]["dependencies"],
        *(one for extra in ("numpy", "arrow", "test", "dev") for one in extras[extra]),
    ]
    pins = pinned()
    for text in asked:
        requirement = Requirement(text)
        if requirement.name == "liaison-ipc":
            continue  # another extra of it
        assert requirement.name in pins, text
        for pin in pins[canonicalize_name(requirement.name)]:
            (version,) = pin.specifier
            assert requirement.specifier.contains(version.version), (text, str(pin))


def test_the_compiler_has_an_upper_bound(backend, programs):
    """The compiler that is fetched has a tested version."""
    asked = map(Requirement, backend.get_requires_for_build_wheel())
    (compiler,) = [one for one in asked if one.name == "ziglang"]
    assert not compiler.specifier.contains("999")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A directory with a wheel of `tea`, which pip uses instead of PyPI; and its hash."""
    place = tmp_path / "shop"
    place.mkdir()
    wheel = place / "tea-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(
            "tea-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tea\nVersion: 1.0\n"
        )
        file.writestr("tea-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr("tea-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(place))
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def fetch(tmp_path: Path, *lines: str) -> tuple[list[str], str]:
    """The files that pip fetches with these constraints, and its output."""
    (tmp_path / "constraints").write_text("\n".join(lines))
    command = ["bash", ROOT / ".ci" / "fetch", tmp_path / "constraints", tmp_path / "got"]
    done = subprocess.run([*command, sys.executable], capture_output=True, text=True, check=False)
    got = sorted(os.listdir(tmp_path / "got")) if (tmp_path / "got").exists() else []
    assert bool(got) == (done.returncode == 0)
    return got, done.stderr


def test_ci_fetches_a_file_with_its_hash(shop, tmp_path):
    """CI fetches the file of the pinned version alone."""
    got, _ = fetch(tmp_path, f"tea==1.0 --hash=sha256:{shop}")
    assert got == ["tea-1.0-py3-none-any.whl"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tea==1.0 --hash=sha256:" + "0" * 64, "DO NOT MATCH THE HASHES"),
        ("tea==1.0", "Hashes are required"),
        ("tea==2.0 --hash=sha256:{hash}", "No matching distribution"),
    ],
)
def test_ci_fetches_nothing_else(shop, tmp_path, line, said):
    """A wrong hash, no hash, or a version that does not exist ends the installation."""
    got, complaint = fetch(tmp_path, line.format(hash=shop))
    assert got == []
    assert said in complaint
