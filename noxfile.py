"""The checks, each a session: `nox -l` lists them, `nox -s lint` runs one."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "native", "model", "tests"]
nox.options.reuse_existing_virtualenvs = True


def install(session: nox.Session, *what: str) -> None:
    # With --no-venv the caller's environment has it all, and one build serves every session.
    if session.venv_backend != "none":
        session.install(*what)


def cannot_sanitize(sanitizer: str, compiler: str | None = None) -> str | None:
    """Why a program with this sanitizer does not build or run here, if it does not."""
    with tempfile.TemporaryDirectory() as directory:
        program = f"{directory}/probe"
        command = shlex.split(compiler or os.environ.get("CC", "cc"))
        build = [*command, f"-fsanitize={sanitizer}", "-xc", "-", "-o", program]
        try:
            subprocess.run(build, input=b"int main(void) { return 0; }", check=True)
            subprocess.run([program], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            return str(error)
    return None


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    install(session, ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def nocompiler(session: nox.Session) -> None:
    install(session, ".[test]")
    session.run("pytest", "-m", "nocompiler", *session.posargs)


@nox.session
def frozen(session: nox.Session) -> None:
    """A program that PyInstaller has made a directory of: takes a minute, and PyInstaller."""
    session.install(".[test]", "pyinstaller>=6")
    session.run("pytest", "-m", "frozen", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    install(session, ".[dev]")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    parts = ("native", "benchmarks", "tests")
    sources = [str(path) for part in parts for path in Path(part).rglob("*.[ch]")]
    session.run("clang-format", "--dry-run", "-Werror", *sources)


@nox.session
def types(session: nox.Session) -> None:
    install(session, ".[dev]")
    # It brings its own version along: it is not to look for, or take, another.
    env = {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1", "PYRIGHT_PYTHON_FORCE_VERSION": None}
    session.run("pyright", env=env)
    modules = [f"liaison._native.{path.stem}" for path in Path("src/liaison/_native").glob("*.pyx")]
    session.run("python", "-m", "mypy.stubtest", *modules)
    session.run("pytest", "tests/typing")  # what users write, as pyright and mypy see it


@nox.session
@nox.parametrize("sanitizer", ["address,undefined", "thread", "none"])
def native(session: nox.Session, sanitizer: str) -> None:
    # Without any, the engine as it is shipped: what native/tests/steps steps through.
    wanted = "" if sanitizer == "none" else sanitizer
    if wanted and (obstacle := cannot_sanitize(wanted)):
        session.skip(f"NOT CHECKED, {obstacle}")
    install(session, "cmake", "ninja")
    build = f"build/{sanitizer}"
    session.run(
        *("cmake", "-G", "Ninja", "-S", ".", "-B", build),
        *("-DLIAISON_TESTS=ON", "-DLIAISON_DEVELOPER=ON", f"-DLIAISON_SANITIZE={wanted}"),
    )
    session.run("cmake", "--build", build)
    jobs = str(os.cpu_count())
    session.run("ctest", "--test-dir", build, "--output-on-failure", "--parallel", jobs)


@nox.session
def aarch64(session: nox.Session) -> None:
    """The engine's tests as a machine of another kind runs them, emulated; also on larger pages.

    Left out are the tests of native/tests/steps, since qemu-user has no ptrace, a setuid program,
    which the kernel would have to run, files that are cut off, at whose SIGBUS it goes round and
    round, mappings of terabytes, and what a fork inherits or a file has reserved, since it does
    nothing at an madvise(). Nor has qemu-user seccomp filters, so most of test_platform.c is
    skipped. With -p it tells programs of larger pages, and accepts mappings that a kernel which has
    these refuses; test_platform.c looks at those.
    """
    compiler, emulator = "aarch64-linux-gnu-gcc", "qemu-aarch64"
    if missing := [tool for tool in (compiler, emulator) if shutil.which(tool) is None]:
        session.skip(
            f"NOT CHECKED, not installed: {', '.join(missing)}; "
            "apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
        )
    install(session, "cmake", "ninja")
    build, libraries = "build/aarch64", "/usr/aarch64-linux-gnu"
    session.run(
        *("cmake", "-G", "Ninja", "-S", ".", "-B", build, f"-DCMAKE_C_COMPILER={compiler}"),
        *("-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64"),
        f"-DCMAKE_CROSSCOMPILING_EMULATOR={emulator};-L;{libraries}",
        *("-DLIAISON_TESTS=ON", "-DLIAISON_DEVELOPER=ON"),
    )
    session.run("cmake", "--build", build)
    session.run("ctest", "--test-dir", build, "--output-on-failure", "--timeout", "600")
    for page in ("16384", "65536"):
        for test in ("mailbox", "pipe", "several", "port", "endpoint", "attach", "arena", "glance"):
            program = f"{build}/test_{test}"
            session.run(
                *(emulator, "-p", page, "-L", libraries, program),
                env={"LIAISON_EMULATED": "1"},
                external=True,
            )


@nox.session
def steps(session: nox.Session) -> None:
    """Every instruction instead of a sample: takes an hour or more."""
    install(session, "cmake", "ninja")
    build = "build/steps"
    session.run("cmake", "-G", "Ninja", "-S", ".", "-B", build, "-DLIAISON_TESTS=ON")
    session.run("cmake", "--build", build)
    session.run(f"{build}/test_states", external=True)
    tests = ("preemptions", "kills", "stops", "trees", "names", "unnaming", "boards", "calls")
    for test in (*tests, "pipes", "removals"):
        session.run(f"{build}/test_{test}", "--all", external=True)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Everything that reads what others wrote; -- -max_total_time=3600 for long, for each fuzzer.

    Of files that libFuzzer damages, by the engine; of the rest, by Python's. Other options are
    libFuzzer's.
    """
    install(session, ".[test]")
    given = [option.partition("=")[2] for option in session.posargs if "max_total_time=" in option]
    seconds = given[-1] if given else os.environ.get("LIAISON_FUZZ_SECONDS", "60")
    limit = float(seconds) + 120  # a watchdog, as in pyproject.toml
    session.run(
        *("pytest", "tests", "-m", "fuzz", f"--timeout={limit}"),
        *("-o", f"faulthandler_timeout={limit + 480}"),
        env={"LIAISON_FUZZ_SECONDS": seconds},
    )
    clang = os.environ.get("CLANG", "clang")
    if obstacle := cannot_sanitize("address,undefined,fuzzer-no-link", clang):
        session.skip(f"NOT CHECKED, {obstacle}")
    install(session, "cmake", "ninja")
    build, corpus = "build/fuzz", "build/corpus"
    Path(corpus).mkdir(parents=True, exist_ok=True)
    session.run(
        *("cmake", "-G", "Ninja", "-S", ".", "-B", build, f"-DCMAKE_C_COMPILER={clang}"),
        *("-DLIAISON_TESTS=ON", "-DLIAISON_FUZZ=ON", "-DLIAISON_SANITIZE=address,undefined"),
    )
    session.run("cmake", "--build", build, "--target", "fuzz_attach")
    options = session.posargs or ["-max_total_time=15", "-seed=1"]
    fuzzer = ["-timeout=60", "-max_len=6000", "-len_control=0", f"-artifact_prefix={build}/"]
    session.run(f"{build}/fuzz_attach", *fuzzer, *options, corpus, external=True)


@nox.session
def docs(session: nox.Session) -> None:
    """Write what is made for the documents: docs/contract.md, and the output in the guide."""
    install(session, ".[test]")
    session.run("python", "-m", "tests.conformance.sentences")
    session.run("python", "docs/update.py")


@nox.session
def model(session: nox.Session) -> None:
    if missing := [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]:
        session.skip(f"NOT CHECKED, not installed: {', '.join(missing)}")
    session.run("python", "verification/check.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    install(session, ".[bench]")
    session.run("liaison", "bench", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Every fault as often as it is promised: hours. LIAISON_KILLS says how many kills.

    In storms of ten thousand, each with a seed of its own: LIAISON_SEED says where to begin.
    """
    install(session, ".[test]")
    kills, seed = (
        int(os.environ.get("LIAISON_KILLS", "100000")),
        os.environ.get("LIAISON_SEED", "1"),
    )
    each = min(kills, 10_000)
    watchdog = ("-o", f"faulthandler_timeout={3600 + each}")  # above each test's own limit
    storm = ("pytest", "tests/crash", "-k", "storm", "-s", *watchdog, *session.posargs)

    def env(seed: int) -> dict[str, str]:
        return {"LIAISON_KILLS": str(each), "LIAISON_SEED": str(seed), "LIAISON_OFTEN": "1"}

    for number in range(kills // each):
        session.run(*storm, env=env(int(seed) + number))
    # The same while the wall clock jumps by years.
    session.run("python", "-m", "tests.faults.clock", *storm, env=env(0))
    # Deaths of all kinds, full disks and killers for want of memory among them.
    faults = ("pytest", "tests/faults", "-s", "--timeout=3600", *watchdog, *session.posargs)
    session.run(*faults, env=env(0))


@nox.session
def constraints(session: nox.Session) -> None:
    """Writes .ci/constraints.txt anew: the newest of all that CI installs, with hashes."""
    session.install("uv>=0.13,<0.14")
    compiler = re.findall(r'"(ziglang.*?)"', Path("build_backend/liaison_build.py").read_text())
    requirements = Path(session.create_tmp(), "requirements")  # those that are no extra's
    build = nox.project.load_toml("pyproject.toml")["build-system"]["requires"]
    requirements.write_text("\n".join([*build, *compiler]))
    session.run(
        *("uv", "pip", "compile", "--no-config", "--default-index", "https://pypi.org/simple"),
        *("--universal", "--python-version", "3.11", "--only-binary", ":all:", "--upgrade"),
        *("--generate-hashes", "--no-annotate", "--no-emit-index-url", "--quiet"),
        *("--custom-compile-command", "nox -s constraints"),
        *("--extra", "dev", "--output-file", ".ci/constraints.txt"),
        *("pyproject.toml", str(requirements)),
    )
