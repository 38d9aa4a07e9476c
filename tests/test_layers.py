"""The walls of the project: imports point down only and in no circle (not even for types), the core stays pure, and the
test tree mirrors the source tree.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "filterd"
TESTS = ROOT / "tests"

LAYERS = (
    {"errors"},
    {"core"},
    {"config", "store", "metrics", "pages"},
    {"live", "update", "gateway", "sentinel"},
    {"dns", "web", "proxy"},
    {"cli"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

# Whatever touches the world outside: files, sockets, clocks, processes, logs, event loops, chance.
IMPURE = {
    "asyncio", "concurrent", "fcntl", "glob", "io", "logging", "mmap", "multiprocessing", "os", "pathlib", "random",
    "secrets", "select", "selectors", "shutil", "signal", "socket", "socketserver", "ssl", "subprocess", "sys",
    "syslog", "tempfile", "threading", "time", "urllib", "uuid", "zoneinfo",
}  # fmt: skip
IMPURE_CALLS = {"open", "print", "input", "exec", "eval"}
WALL_CLOCK = {"now", "utcnow", "today"}

SOURCES = sorted(path for path in PACKAGE.rglob("*.py"))
CORE = [path for path in SOURCES if path.is_relative_to(PACKAGE / "core")]

# Tests that belong to no module: they hold for the tree as a whole, or tell a story across it.
WHOLE_TREE = {"test_layers.py"}
NO_MIRROR = {"scenarios", "policies", "blocklists", "deploy", "systemd", "docs", "benchmarks", "conformance", "fuzz"}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> set[str]:
    """Every module a file names in an import, at any depth, as `filterd.x.y` or `socket`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            base = node.module or ""
            for alias in node.names:
                full = f"{base}.{alias.name}"
                found.add(full if full in MODULES else base)
    return found


MODULES = {module_of(path) for path in SOURCES}
IMPORTS = {module_of(path): imports_of(path) for path in SOURCES}


def part_of(module: str) -> str:
    """The package below `filterd` that a module is in: `core` of `filterd.core.rules.hosts`."""
    return module.split(".")[1] if "." in module else ""


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_package_has_its_layer():
    parts = {part_of(module) for module in MODULES} - {"", "__main__"}
    assert parts <= set(LEVEL), f"no layer is known for {parts - set(LEVEL)}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_down_and_never_sideways(module):
    here = part_of(module)
    if here in ("", "__main__"):
        return
    for other in IMPORTS[module]:
        there = part_of(other)
        if other.split(".")[0] == "filterd" and there not in ("", here):
            assert LEVEL[there] < LEVEL[here], f"{module} imports {other}: {there} is not below {here}"


def test_no_module_imports_itself_in_a_circle():
    graph = {module: {other for other in imports if other in MODULES} for module, imports in IMPORTS.items()}
    done: set[str] = set()

    def walk(module: str, trail: list[str]) -> None:
        assert module not in trail, "a circle: " + " -> ".join([*trail[trail.index(module) :], module])
        if module not in done:
            for other in sorted(graph[module]):
                walk(other, [*trail, module])
            done.add(module)

    for module in sorted(graph):
        walk(module, [])


@pytest.mark.parametrize("path", CORE, ids=shown)
def test_core_touches_nothing_outside(path):
    outside = (name for name in imports_of(path) if not name.startswith("urllib.parse"))  # it reads URLs, no more
    touched = {name.split(".")[0] for name in outside} & IMPURE
    assert not touched, f"{shown(path)} imports {sorted(touched)}"


@pytest.mark.parametrize("path", CORE, ids=shown)
def test_core_opens_no_file_and_reads_no_clock(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name):
                assert function.id not in IMPURE_CALLS, f"{shown(path)}:{node.lineno} calls {function.id}()"
            if isinstance(function, ast.Attribute) and not node.args:
                assert function.attr not in WALL_CLOCK, f"{shown(path)}:{node.lineno} calls .{function.attr}()"


@pytest.mark.parametrize(
    "module",
    ["filterd.dns.worker", "filterd.cli.main", "filterd.config.files", "filterd.store.policies"],
)
def test_what_serves_queries_loads_neither_pydantic_nor_yaml(module):
    code = f"import sys, {module}; print('\\n'.join(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name.split(".")[0] for name in found.stdout.split()}
    assert not loaded & {"pydantic", "pydantic_core", "yaml", "ruamel"}


def mirrored(path: Path) -> Path:
    """Where the tests of a module are: `tests/core/test_names.py` for `filterd/core/names.py`."""
    inside = path.relative_to(PACKAGE)
    return TESTS / inside.parent / f"test_{inside.name}"


def test_every_module_has_its_tests():
    wanted = [path for path in SOURCES if path.name not in ("__init__.py", "__main__.py")]
    missing = [f"{shown(path)} has no {shown(mirrored(path))}" for path in wanted if not mirrored(path).exists()]
    assert not missing, "\n" + "\n".join(missing)


def test_every_test_file_belongs_to_a_module():
    wanted = {mirrored(path) for path in SOURCES}
    wanted |= {path for path in TESTS.rglob("test_*_*.py") if path.with_stem(path.stem.rpartition("_")[0]) in wanted}
    astray = []
    for path in sorted(TESTS.rglob("test_*.py")):
        inside = path.relative_to(TESTS)
        if inside.parts[0] not in NO_MIRROR and inside.name not in WHOLE_TREE and path not in wanted:
            astray.append(shown(path))
    assert not astray, f"tests of no module: {astray}"


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_every_module_says_what_it_is(path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), f"{shown(path)} has no docstring"


def test_modules_are_short():
    lengths = sorted(len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES)
    assert lengths[len(lengths) // 2] < 130
    assert lengths[len(lengths) * 9 // 10] < 350
