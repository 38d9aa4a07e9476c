"""What the start of filterd is spent on: each part again, alone, in a process of its own on the server's CPU.

The parts are those between exec and the first answer, one after the other: the parent's modules, the SHA-256 of the
table, the worker's modules, mapping the table. The rest is the policy, sockets and the first question itself.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from lib import pin

REPO = Path(__file__).parent.parent.parent
_PARENT = "import filterd.cli.main, filterd.cli.run, filterd.dns.parent, filterd.live.published"
_WORKER = "import filterd.dns.worker"
_VERIFY = "from filterd.store import tables; f = lambda: tables.verify(state, tables.current(state))"
_MAP = "from filterd.store import tables; f = lambda: tables.open_table(state / 'tables' / tables.current(state))"
_TIMED = """
import sys, time, pathlib
sys.path.insert(0, {repo!r})
state = pathlib.Path({state!r})
{setup}
began = time.perf_counter(); f(); print(time.perf_counter() - began)
"""


def describe(state: Path, total_s: float) -> str:
    """One line of seconds a part, for a start that took `total_s`."""
    parts = {
        "parent's modules": _process(_PARENT),
        "table's SHA-256": _timed(_VERIFY, state),
        "worker's modules": _process(_WORKER),
        "mapping the table": _timed(_MAP, state),
    }
    parts["the rest"] = max(0.0, total_s - sum(parts.values()))
    return ", ".join(f"{what} {seconds:.2f} s" for what, seconds in parts.items())


def _process(imports: str) -> float:
    began = time.perf_counter()
    _python(f"import sys; sys.path.insert(0, {str(REPO)!r}); {imports}")
    return time.perf_counter() - began


def _timed(setup: str, state: Path) -> float:
    return float(_python(_TIMED.format(repo=str(REPO), state=str(state), setup=setup)))


def _python(program: str) -> str:
    command = [sys.executable, "-P", "-c", program]
    process = pin.spawn(command, pin.SERVER_CPU, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    text, _ = process.communicate(timeout=60)
    if process.returncode != 0:
        raise RuntimeError("a part of filterd's start could not be timed")
    return str(text)
