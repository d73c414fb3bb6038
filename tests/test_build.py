"""The build backend brings a compiler exactly where there is none."""

import importlib.util
import os
import subprocess
import venv
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]

HOOKS = ["get_requires_for_build_wheel", "get_requires_for_build_editable"]


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


@pytest.mark.parametrize("hook", HOOKS)
def test_compiler_is_asked_for_where_there_is_none(backend, programs, hook):
    """Without $CC, cc, gcc and clang, the compiler is a build requirement."""
    assert asks_for_compiler(getattr(backend, hook)())


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("compiler", ["cc", "gcc", "clang"])
def test_compiler_on_path_is_used(backend, programs, hook, compiler):
    """Whoever has a compiler does not fetch another."""
    add_program(programs, compiler)
    assert not asks_for_compiler(getattr(backend, hook)())


@pytest.mark.parametrize("hook", HOOKS)
def test_compiler_named_by_environment_is_used(backend, programs, monkeypatch, hook):
    """$CC is the user's word, even where nothing else is on PATH."""
    monkeypatch.setenv("CC", "/opt/cc")
    assert not asks_for_compiler(getattr(backend, hook)())


@pytest.mark.parametrize("hook", HOOKS)
def test_empty_cc_names_no_compiler(backend, programs, monkeypatch, hook):
    """An empty $CC is as good as none."""
    monkeypatch.setenv("CC", "")
    assert asks_for_compiler(getattr(backend, hook)())


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
    """Where there is a compiler, CMake finds it by itself."""
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
