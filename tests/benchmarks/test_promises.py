"""The quick parts of `benchmarks/promises.py` run, say what they found, and tell promise from breach."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import REPO
from tests.stepping import can_trace

PROGRAM = REPO / "benchmarks" / "promises.py"
PROBE = """
import dataclasses, json, pathlib, sys
sys.path[:0] = ["benchmarks", "."]
from lib.promises import PARTS, page, part, speaker
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), "--miniature", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=REPO, check=False)


def probe(text: str) -> str:
    """What a program prints that sees the modules of the benchmarks."""
    command = [sys.executable, "-c", PROBE + text]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=REPO, check=True).stdout


@pytest.mark.skipif(shutil.which("dnsperf") is None, reason="dnsperf is not installed")
def test_a_part_prints_its_lines_and_ends_as_they_say() -> None:
    done = run("--only", "private")
    printed = done.stdout.splitlines()
    assert len(printed) == 1, done.stderr
    assert printed[0].startswith(("met ", "NOT met ")), done.stderr
    assert done.returncode == printed[0].startswith("NOT met")


@pytest.mark.skipif(not can_trace(), reason="strace is not here, or may not trace")
def test_a_night_that_is_cut_short_is_judged_by_every_answer() -> None:
    done = run("--only", "update")
    printed = done.stdout.splitlines()
    assert [line.partition(":")[0].split(", ")[1] for line in printed] == ["SIGKILL", "disk full", "damaged tables"]
    assert all(re.search(r"blocked in [1-9][\d,]* of [1-9]", line) for line in printed), done.stdout
    assert done.returncode == any(line.startswith("NOT met") for line in printed), done.stderr


def test_unknown_parts_are_refused() -> None:
    assert run("--only", "nonsense").returncode == 2


def test_every_part_can_be_loaded() -> None:
    assert int(probe("print(sum(callable(part(name)) for name in PARTS) - len(PARTS))")) == 0


def test_a_part_that_is_run_again_replaces_its_lines(tmp_path: Path) -> None:
    probe(f"""
from lib.promises.lines import Line
folder = pathlib.Path({str(tmp_path)!r})
for figure in ("1 | 2", "3"):
    page.keep(folder, "tcp", [Line("tcp, memory", "done", figure, "<= 60 MB", False)], 1.0, 0.5, 0)
    page.keep(folder, "clock", [Line("clock", "", figure, "all", None)], 1.0, 0.5, 0)
""")
    (kept,) = tmp_path.glob("*.json")
    assert {name: part["lines"][0]["figure"] for name, part in json.loads(kept.read_text()).items()} == {
        "tcp": "3",
        "clock": "3",
    }
    text = kept.with_suffix(".md").read_text()
    assert "| tcp, memory | done | 3 | <= 60 MB | NOT met |" in text
    assert "not measured" in text


def test_what_the_hostile_upstream_says_is_what_it_is_called() -> None:
    told = probe("""
query = bytes.fromhex("123401000001000000000000") + speaker.wire("loops-1.bad.example") + bytes((0, 1, 0, 1))
for name, kind in sorted(speaker.KINDS.items()):
    packets = list(kind(query, True)) + list(kind(query, False))
    print(name, sum(packet[:2] != query[:2] for packet in packets), max(map(len, packets)))
""")
    found = {name: (int(wrong), int(longest)) for name, wrong, longest in map(str.split, told.splitlines())}
    assert found["wrongid"][0] == 40
    assert found["huge"][1] > 60_000
    assert found["many"][1] > 60_000
    assert all(wrong == 0 for name, (wrong, _) in found.items() if name != "wrongid")
