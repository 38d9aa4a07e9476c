"""An update never opens the filter (P13): killed at any point, on a full disk, and with damaged tables in its place.

Pupils ask for blocked names and an allowed one all the while; each of their answers is looked at.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from filterd.config import files
from filterd.store import atomic, tables
from filterd.store.tablefiles import META, SETS, TRIE
from lib.promises import nights, stage
from lib.promises.lines import Line, Size, missing
from lib.promises.nights import ALLOWED, CANARY, SENTINEL, School, Updates
from lib.promises.stage import Backend
from tests.pupils import Pupils, Seen
from tests.running import Server, until
from tests.stepping import FAILED, can_trace

RATE = 300
BAD = "9"  # how the numbers of damaged tables begin
NEEDS_SPACE = frozenset({"openat", "write", "fsync", "mkdir", "link", "linkat", "rename"})
TARGET = "blocked 100 %, 0 lost, disk and configuration whole"
CLOSED = (CANARY, "adult.example", SENTINEL)


def run(size: Size) -> Iterator[Line]:
    with nights.school() as school, Updates(school.state) as updates, Backend() as upstream:
        digest = files.digest(school.config)
        with Server(school.config, school.state, upstreams=(upstream.url,), before=stage.alone) as server:
            stage.address(server.port, ALLOWED)
            yield _intact(school, digest, _killed(server, school, updates, size.of(200, 4)))
            yield _intact(school, digest, _full(server, school, updates, size.of(1, 12)))
            yield _intact(school, digest, _damaged(server, school, size.of(1_000, 10)))


def _intact(school: School, digest: str, line: Line) -> Line:
    """The line, or one that is not met where the configuration is not what it was."""
    if files.digest(school.config) == digest:
        return line
    return Line(line.name, line.done, f"the configuration CHANGED; {line.figure}", TARGET, False)


def _killed(server: Server, school: School, updates: Updates, count: int) -> Line:
    dice = nights.dice()
    faults: list[str] = []
    killed = tries = 0
    before = server.metrics()["filterd_snapshot_swaps_total"]
    with _pupils(server) as seen:
        usual_s = nights.typical_s(updates, school)
        while killed < count and tries < 3 * count:
            tries += 1
            school.dawn()
            pid = updates.start()
            time.sleep(dice.uniform(0, usual_s))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            killed += os.WIFSIGNALED(updates.ended())
            faults += filter(None, [school.fault()])
        taken_s = _night_after(server, school, updates)
    swaps = server.metrics()["filterd_snapshot_swaps_total"] - before
    done = f"{killed} updates of {usual_s * 1e3:.0f} ms killed at random points, {tries - killed} had ended before; "
    done += f"{swaps:.0f} new tables taken by the server meanwhile, {RATE} questions/s"
    figure = f"{_shown(seen, faults)}; the next update in force {taken_s:.2f} s after its end"
    return Line("update, SIGKILL", done, figure, TARGET, seen.is_spotless and not faults and killed == count)


def _full(server: Server, school: School, updates: Updates, every: int) -> Line:
    if not can_trace():
        return missing("update, disk full", "strace is not here, or may not trace", TARGET)
    faults: list[str] = []
    tries = failed = 0
    with _pupils(server) as seen:
        school.dawn()
        steps = [
            s for s in updates.steps("update", school.state, school.state.parent / "steps") if s.call in NEEDS_SPACE
        ]
        for step in steps[::every]:
            for onwards in (False, True):
                school.dawn()
                code = updates.fail("update", school.state, step, onwards=onwards)
                tries += 1
                failed += code == FAILED
                faults += [f"{step}: ended with {code}"] if code not in (0, FAILED) else []
                faults += filter(None, [school.fault()])
        taken_s = _night_after(server, school, updates)
    done = f"no space at each of {len(steps[::every])} steps of an update that write (openat, write, fsync, mkdir, "
    done += f"link, rename), once and from there on: {tries} updates, {failed} of them ended with an error; "
    done += f"{RATE} questions/s"
    figure = f"{_shown(seen, faults)}; the next update in force {taken_s:.2f} s after its end"
    return Line("update, disk full", done, figure, TARGET, seen.is_spotless and not faults)


def _damaged(server: Server, school: School, count: int) -> Line:
    dice = nights.dice()
    good = tables.current(school.state)
    assert good is not None
    refused = 'filterd_failed_reloads_total{input="table"}'
    before = server.metrics().get(refused, 0.0)
    with _pupils(server) as seen:
        for number in range(count):
            bad = _put(school.state, good, number, dice)
            server.process.send_signal(signal.SIGHUP)
            until(lambda bad=bad: any(bad in line for line in server.lines[-40:]), f"{bad} was looked at")
            shutil.rmtree(school.state / "tables" / bad)
        noticed = server.metrics()[refused] - before
        atomic.write(school.state / "CURRENT", f"{good}\n".encode())
        server.wait_metric('filterd_input_fault{input="table"}', lambda n: n == 0)
    taken = sum(f"table {BAD}" in line and " replaces " in line for line in server.lines)
    done = f"{count:,} damaged tables named by CURRENT under {RATE} questions/s: a file cut at a random length, or a "
    done += "bit turned; each was looked at"
    faults = [f"{taken} taken"] if taken else []
    faults += [] if noticed >= count else [f"{noticed:.0f} refused"]
    return Line("update, damaged tables", done, _shown(seen, faults), TARGET, seen.is_spotless and not faults)


def _put(state: Path, good: str, number: int, dice: random.Random) -> str:
    """A generation that is newer than the good one and has its files, one of them damaged; CURRENT names it."""
    bad = f"{BAD}{number:05d}-{good.partition('-')[2]}"
    folder = state / "tables" / f".beside-{number}"
    shutil.copytree(state / "tables" / good, folder)
    damage(folder / dice.choice((TRIE, SETS, META)), dice)
    folder.rename(state / "tables" / bad)
    atomic.write(state / "CURRENT", f"{bad}\n".encode())
    return bad


def damage(path: Path, dice: random.Random) -> None:
    """Cut a file at a random length, or turn one of its bits."""
    data = bytearray(path.read_bytes())
    if dice.random() < 0.5:
        path.write_bytes(data[: dice.randrange(len(data))])
    else:
        at = dice.randrange(8 * len(data))
        data[at >> 3] ^= 1 << (at & 7)
        path.write_bytes(data)


def _pupils(server: Server) -> Pupils:
    return Pupils(server.port, CLOSED, (ALLOWED,), RATE, stage.speaker.GOOD)


def _night_after(server: Server, school: School, updates: Updates) -> float:
    """An update that nobody disturbs; the seconds from its end to its names being blocked."""
    new = school.dawn()
    updates.whole()
    began = time.monotonic()
    until(lambda: stage.address(server.port, new) == bytes(4), f"{new} is blocked")
    return time.monotonic() - began


def _shown(seen: Seen, faults: list[str]) -> str:
    must = seen.blocked + seen.opened
    text = (
        f"blocked names blocked in {seen.blocked:,} of {must:,} answers, {seen.lost} of {seen.sent:,} questions lost, "
    )
    text += f"{seen.wrong} wrong; slowest {seen.slowest_s * 1e3:.0f} ms"
    return text + (f"; {len(faults)} FAULTS, the first: {faults[0]}" if faults else "")
