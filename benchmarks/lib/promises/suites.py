"""What has programs of its own: upstream transports, conformance (P2, P7), answers beside peers (P6)."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from lib.promises.lines import Line, Size, missing

BENCHMARKS = Path(__file__).parent.parent.parent
RATIO = 2.5


def transports(size: Size) -> Iterator[Line]:
    """CPU per miss over TCP, TLS and HTTPS beside UDP's."""
    rounds = size.of(5, 1)
    options = ["--rounds", str(rounds), "--seconds", str(size.seconds(2.0, 0.5)), "--only", "udp,tcp,tls,https"]
    done = _program("transports.py", *options)
    section, found = "", False
    for line in done.stdout.splitlines():
        section = line if line.startswith("every query") else section
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] in ("tcp", "tls", "https") and len(cells) == 4:
            found = True
            ratio = float(cells[2].split()[0])
            what = f"{section}, {rounds} rounds"
            figure = f"{cells[1]} us/miss, {cells[2]} of UDP's, {cells[3]} lost"
            yield Line(f"dot/doh, upstream over {cells[0]}", what, figure, f"<= {RATIO} of UDP's", ratio <= RATIO)
    if not found:
        yield missing("dot/doh", (done.stderr or done.stdout).strip()[-200:], f"<= {RATIO} of UDP's")


def conformance(_: Size) -> Iterator[Line]:
    """The rows of the published table, one file of tests after another."""
    for path in sorted((BENCHMARKS.parent / "tests" / "conformance").glob("test_rows_*.py")):
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=BENCHMARKS.parent)
        rows = path.stem.removeprefix("test_").replace("_", " ")
        last = done.stdout.strip().splitlines()[-1]
        yield Line(f"conformance, {rows}", f"pytest tests/conformance/{path.name}", last, "100 %", done.returncode == 0)


def answers(size: Size) -> Iterator[Line]:
    """Unfiltered names, beside unbound and dnsmasq."""
    done = _program("compare_answers.py", "--questions", str(size.of(10_000, 300)))
    last = (done.stdout or done.stderr).strip().splitlines()[-1]
    right = bool(re.search(r", 0 answered otherwise", last))
    yield Line("answers beside peers", "benchmarks/compare_answers.py", last, "0", right)


def _program(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / name), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)
