"""The layers: imports point down only, and `import liaison` imports little."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

import liaison

SOURCE = Path(liaison.__file__).parent
REPOSITORY = Path(__file__).parents[1]
BENCHMARKS = REPOSITORY / "benchmarks"

# What each part of the package may import of it, besides its own modules. Imports within functions
# count, imports for type checkers do not.
PURE = {"errors", "closing", "facts", "message", "printable"}
BELOW = PURE | {"address", "codec", "dead_letters", "deadline", "link"}
ALLOWED = {
    "errors": {"printable"},
    "address": PURE | {"hosts"},
    "codec": PURE | {"_native"},
    "deadline": PURE,
    "facts": set(),
    "hosts": {"errors"},
    "link": PURE,
    "closing": set(),
    "dead_letters": {"address", "errors"},
    "message": set(),
    "owner": {"errors"},
    "printable": set(),
    "_native": PURE | {"deadline", "link"},
    "carriers": BELOW | {"owner", "_native"},
    "links": BELOW | {"carriers", "_native"},
    "space": PURE | {"address", "link", "carriers", "links", "owner"},
    "aio": PURE | {"codec", "deadline", "link", "links", "carriers", "_native"},
    "testing": PURE | {"address", "carriers", "deadline", "link", "_native"},
}
# Above the seam no module imports a carrier: only the contract, the registry that finds a carrier,
# and the compiled modules that all carriers share.
SEAM = {
    *("carriers.contract", "carriers.steps", "carriers.registry"),
    *("_native.carrier", "_native.link", "_native.poll"),
}
ABOVE = ("aio", "cli", "links", "space")
# These may import everything: the package itself, the command line, the demonstration.
TOP = {"__init__", "__main__", "_pyinstaller", "cli", "demo"}


def imported(path, package=""):
    """The names that a module of a package imports when it runs, of modules and from modules."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def part_of(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


# The benchmarks are only shipped with the package: they are a program of their own.
MODULES = sorted(path for path in SOURCE.rglob("*.py") if part_of(path) != "_benchmarks")


def test_every_part_is_in_a_layer():
    """Each module belongs to a layer that this file names."""
    assert {part_of(path) for path in MODULES} <= ALLOWED.keys() | TOP


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_down(path):
    """No module imports from a layer above its own."""
    part = part_of(path)
    if part not in TOP:
        ours = [name for name in imported(path) if name.split(".")[0] == "liaison"]
        assert {name.split(".")[1] for name in ours} <= ALLOWED[part] | {part}


@pytest.mark.parametrize(
    "path", [path for path in MODULES if part_of(path) in ABOVE], ids=lambda path: path.stem
)
def test_links_know_no_carrier(path):
    """Above the seam no module imports a carrier, or a compiled module of a single carrier."""
    for name in imported(path):
        module = name.removeprefix("liaison.")
        if module.startswith(("carriers.", "_native.")):
            assert any(module == one or module.startswith(f"{one}.") for one in SEAM), name


def test_the_contract_is_imported_in_one_way():
    """Other packages import the contract's names from the package, not from its modules."""
    inside = SOURCE / "carriers" / "contract"
    parts = {f"liaison.carriers.contract.{path.stem}" for path in inside.glob("*.py")}
    assert len(parts) > 4
    for path in MODULES:
        if inside not in path.parents:
            package = ".".join(path.relative_to(SOURCE.parent).parts[:-1])
            assert not {name.rpartition(".")[0] for name in imported(path, package)} & parts, path


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.pyx")), ids=lambda path: path.name)
def test_compiled_modules_import_down(path):
    """No compiled module imports from a layer above."""
    names = set()
    for line in path.read_text().splitlines():
        words = line.split()
        if words[:1] in (["from"], ["import"], ["cimport"]) and "liaison" in words[1]:
            _, _, rest = words[1].partition(".")
            names |= {rest.split(".")[0]} if rest else {word.strip(",") for word in words[3:]}
    assert names <= ALLOWED["_native"] | {"_native"}


@pytest.mark.parametrize("root", [SOURCE, BENCHMARKS], ids=lambda root: root.name)
def test_imports_have_no_cycle(root):
    """Imports form no cycle, including those within functions."""
    modules = {}
    for path in root.rglob("*.py"):
        parts = path.relative_to(root.parent).with_suffix("").parts
        modules[".".join(parts).removesuffix(".__init__")] = path
    assert len(modules) > 10
    found = {}
    for name, path in modules.items():
        package = name if path.stem == "__init__" else name.rpartition(".")[0]
        names = imported(path, package)
        found[name] = {n if n in modules else n.rpartition(".")[0] for n in names} - {name}
    TopologicalSorter(found).prepare()  # raises CycleError, which shows the cycle


def test_no_compiled_module_needs_itself():
    """cimports of the compiled modules form no cycle."""
    found = {}
    for path in (REPOSITORY / "src/liaison/_native").glob("*.p[xy][dx]"):  # none is installed
        needs = found.setdefault(path.stem, set())
        for line in path.read_text().splitlines():
            if match := re.match(r"from liaison\._native\.(\w+) cimport ", line):
                needs.add(match[1])
    assert {"mailbox", "end"} <= found["pipe"] | found["mailbox"]
    for name, needs in found.items():
        needs.discard(name)
    TopologicalSorter(found).prepare()


@pytest.mark.parametrize("part", ["errors", "address", "codec", "deadline", "link", "printable"])
def test_the_pure_parts_do_no_input_or_output(part):
    """A pure part opens no file and no socket, and starts no process."""
    module = SOURCE / f"{part}.py"
    sources = [module] if module.exists() else sorted((SOURCE / part).glob("*.py"))
    assert sources
    forbidden = {"socket", "subprocess", "mmap", "fcntl", "select", "threading", "asyncio"}
    for node in (node for path in sources for node in ast.walk(ast.parse(path.read_text()))):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & forbidden
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in forbidden
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "open"


# No part of liaison imports these before it needs them.
LARGE = {
    *("anyio", "asyncio", "click", "multiprocessing", "nats", "numpy", "pickle", "pyarrow"),
    *("rich", "trio"),
}
# A program without a link starts quickly: these take longer than all that it imports of liaison.
FOR_LINKS = {
    *("dataclasses", "enum", "inspect", "ipaddress", "msgspec", "re", "ssl", "typing"),
    "liaison.links.endpoint",
}


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [("import liaison", LARGE | FOR_LINKS), ("from liaison import *", LARGE)],
)
def test_importing_liaison_imports_no_large_package(statement, unwanted):
    """`import liaison` imports neither pickle nor NumPy, asyncio or the command line's packages."""
    program = f"import sys; old = {{*sys.modules}}; {statement}; print(*{{*sys.modules}} - old)"
    assert not unwanted & set(_printed(program).split())


def test_plain_messages_import_no_large_package(space):
    """Sending and receiving bytes and plain data imports no large package."""
    program = (
        "import sys, liaison\n"
        "with liaison.Mailbox('box') as box:\n"
        "    for message in (b'bytes', {'a': [1, None]}):\n"
        "        box.send(message)\n"
        "        assert box.receive() == message\n"
        "    box.destroy()\n"
        "print({'pickle', 'numpy', 'pyarrow', 'asyncio'} & set(sys.modules))"
    )
    assert _printed(program) == "set()"


def _printed(program):
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_every_public_name_exists():
    """Each name in liaison.__all__ exists and is documented, also before it is first used."""
    assert _printed("import liaison; print(set(liaison.__all__) - set(dir(liaison)))") == "set()"
    for name in liaison.__all__:
        assert getattr(liaison, name) is not None
        assert name.startswith("__") or getattr(liaison, name).__doc__
