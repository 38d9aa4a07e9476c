"""Memory over millions of questions: a day on a clock of its own inside one process, and a running server flat out."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from lib import load, pin, procstat
from lib.promises import day, stage
from lib.promises.disk import NEWLY_SEEN
from lib.promises.lines import Line, Size
from lib.promises.stage import FILES, SOURCES, Backend
from tests.running import Server, build_table, replace

QUESTIONS, HALF = 5_000_000, 500_000
GROWTH = 1.05
CHUNK_S = 4.0


def run(size: Size) -> Iterator[Line]:
    yield _inside(size)
    yield _outside(size)


def _inside(size: Size) -> Line:
    count = size.of(QUESTIONS, day.REPORT)
    began = time.monotonic()
    process = pin.spawn([sys.executable, day.__file__, str(count)], pin.LOAD_CPU, stdout=subprocess.PIPE, text=True)
    seen = []
    for line in process.stdout:
        seen.append(json.loads(line))
        print(f"  inside: {json.dumps(seen[-1])}", flush=True)
    if process.wait():
        raise RuntimeError("the day ended early")
    done = f"{count:,} questions in {seen[-1]['hours']:.0f} h of its clock ({time.monotonic() - began:.0f} s of ours), "
    done += f"all transports, lists swapped hourly, overrides every 10 minutes; {seen[-1]['cached']:,} answers cached"
    return _line("soak, a day inside", done, {one["asked"]: one["resident"] for one in seen})


def _outside(size: Size) -> Line:
    """Known and new names; new lists, another override and some TCP clients between one chunk and the next."""
    count, half = size.of(QUESTIONS, 20_000), size.of(HALF, 5_000)
    seen: dict[int, int] = {}
    began = time.monotonic()
    more = stage.UNLIMITED + NEWLY_SEEN
    with Backend(ttl_s=20) as upstream, stage.school(more) as (config, state), stage.Server(
        config, state, upstreams=(upstream.url,), before=stage.alone
    ) as server:  # fmt: skip
        asked = turn = lost = 0
        while asked < count:
            asked_now, lost_now = _chunk(server, turn, size.seconds(CHUNK_S, 0.5))
            asked, lost, turn = asked + asked_now, lost + lost_now, turn + 1
            _between(server, config, state, turn)
            if asked // half > len(seen):
                seen[asked] = procstat.memory(server.process.pid)[1].resident
                print(f"  outside: {asked:,} questions, {seen[asked] / 1e6:.1f} MB", flush=True)
    done = (
        f"{asked:,} questions to a running server in {time.monotonic() - began:.0f} s, {lost} lost; TTL 20 s, one in "
    )
    done += f"eight a new name, {turn} times new lists, overrides and 20 TCP clients"
    return _line("soak, a running server", done, seen)


def _chunk(server: Server, turn: int, seconds: float) -> tuple[int, int]:
    """As fast as it goes; an eighth for names that are new."""
    options = ("-l", f"{seconds:g}")
    known = load.Running().start(server.port, FILES.mix(turn % 4), SOURCES[turn % 20], *options, outstanding=70)
    new = load.Running().start(server.port, FILES.miss(100 + turn % 20), SOURCES[-1], *options, outstanding=10)
    told, missed = known.finish(), new.finish()
    return told.completed + missed.completed, told.lost + missed.lost


def _between(server: Server, config: Path, state: Path, turn: int) -> None:
    if turn % 5 == 0:
        with (config / "blocklists/curated/adult.txt").open("a", encoding="utf-8") as file:
            file.write(f"new-{turn}.example\n")
        build_table(config, state)
    item = {"place": "7-3", "until": int(time.time()) + 60, "profile": "video"}
    overrides = {"items": [item] if turn % 2 else [], "sequence": turn}
    replace(state / "overrides.json", json.dumps(overrides).encode())
    for at in range(20):
        server.exchange(stage.packet(f"tcp{turn}-{at}.example.org"), SOURCES[at], tcp=True)


def _line(name: str, done: str, resident: dict[int, int]) -> Line:
    """Each look after the first million beside the first of them."""
    later = [size for asked, size in resident.items() if asked >= 1_000_000] or list(resident.values())
    growth = max(later) / later[0]
    course = ", ".join(f"{asked / 1e6:.1f} M {size / 1e6:.1f} MB" for asked, size in resident.items())
    return Line(name, done, f"x{growth:.3f} after the first million; resident {course}", "<= 5 %", growth <= GROWTH)
