"""Power cuts (P14): everything killed in the middle of a night, what was written last cut short, and a start.

A kill leaves what the kernel was told; what it had not yet written is lost in a real cut, hence the shortening: of any
files written since the start of the round, synced or not, which is worse than a disk that keeps its word.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from filterd.config import files
from filterd.errors import TableError
from filterd.store import atomic, tables
from lib.promises import nights, stage
from lib.promises.lines import Line, Size
from lib.promises.nights import ALLOWED, CANARY, SENTINEL, School, Updates
from lib.promises.stage import Backend
from tests.running import Server

LIMIT_S = 3.0
STEP_S = 0.02
CLOSED = (CANARY, SENTINEL, "adult.example")
TARGET = f"each start answers within {LIMIT_S:g} s; policy and table are the last good ones"


@dataclass
class Tally:
    """What the rounds came to."""

    starts_s: list[float] = field(default_factory=list)
    cut: int = 0
    tables: int = 0  # rounds in which the newest table on disk was damaged, in that round or before
    policies: int = 0  # rounds in which a new policy had just come
    faults: list[str] = field(default_factory=list)


def run(size: Size) -> Iterator[Line]:
    count = size.of(200, 3)
    dice = nights.dice()
    found = Tally()
    with nights.school() as school, Updates(school.state) as updates, Backend() as upstream:
        usual_s = nights.typical_s(updates, school)
        server = _start(school, upstream, found)
        try:
            for number in range(count):
                if number % 3 == 0:
                    found.policies += 1
                    _new_policy(school, number, server)
                _cut(school, updates, server, dice, usual_s, found)
                server = _start(school, upstream, found)
                found.faults += [f"round {number}: {fault}" for fault in _faults(school, server)]
            new = school.dawn()
            updates.start()
            updates.ended()
            last = _soon_blocked(server, new)
            server.stop()
        finally:
            server.kill()
    slow = sum(took_s > LIMIT_S for took_s in found.starts_s)
    done = (
        f"{count} times: kill -9 of server, workers and update at a random point of it, {found.cut:,} files written in "
    )
    done += "the round cut at a random length (the newest table on disk a damaged one in "
    done += f"{found.tables} rounds, a new policy on its way in "
    done += f"{found.policies}), a start"
    figure = f"{len(found.starts_s) - slow} of {len(found.starts_s)} starts answered in time, the slowest after "
    figure += f"{max(found.starts_s):.2f} s; blocked, allowed, policy and table as the last good ones in "
    figure += f"{count - len({fault.partition(':')[0] for fault in found.faults})} of {count}; an update afterwards "
    figure += "is in force" if last else "is NOT in force"
    if found.faults:
        figure += f"; the first fault: {found.faults[0]}"
    yield Line("power cut", done, figure, TARGET, last and not slow and not found.faults)


def _start(school: School, upstream: Backend, found: Tally) -> Server:
    """A running server, and how long it took from exec to its first answer."""
    began = time.monotonic()
    server = Server(school.config, school.state, upstreams=(upstream.url,), ready=False, before=stage.alone)
    while stage.address(server.port, "adult.example", within_s=STEP_S) is None:
        if server.process.poll() is not None or time.monotonic() - began > 10 * LIMIT_S:
            break
        time.sleep(STEP_S)  # nobody listens yet: the refusal comes at once
    found.starts_s.append(time.monotonic() - began)
    server.wait_log("policy ")
    return server


def _new_policy(school: School, number: int, server: Server) -> None:
    """A technician's edit, well saved; the server keeps what it compiles of it."""
    path = school.config / "policies/names.yaml"
    atomic.write(path, path.read_bytes() + f"  - edited-{number}.example\n".encode())
    server.process.send_signal(signal.SIGHUP)


def _cut(school: School, updates: Updates, server: Server, dice: random.Random, usual_s: float, found: Tally) -> None:
    began = time.time_ns()
    school.dawn()
    pid = updates.start()
    time.sleep(dice.uniform(0, 1.2 * usual_s))
    for victim in (pid, *server.workers(), server.process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    updates.ended()
    server.kill()
    fresh = sorted({path.lstat().st_ino: path for path in _files(school.state, began)}.values())
    for path in dice.sample(fresh, dice.randint(min(1, len(fresh)), len(fresh))):
        if size := path.stat().st_size:
            os.truncate(path, dice.randrange(size))
            found.cut += 1
    newest = next(iter(tables.generations(school.state)))
    found.tables += not _is_sound(school.state, newest)


def _files(state: Path, since_ns: int) -> Iterator[Path]:
    return (path for path in state.rglob("*") if path.is_file() and path.lstat().st_mtime_ns >= since_ns)


def _is_sound(state: Path, generation: str) -> bool:
    try:
        tables.verify(state, generation)
    except TableError:
        return False
    return True


def _faults(school: School, server: Server) -> Iterator[str]:
    """What is not as it was when it was last good."""
    policy = files.digest(school.config)[:12]
    known = [tables.pointed(school.state), *tables.generations(school.state)]
    table = next((name for name in known if name and _is_sound(school.state, name)), "none")
    if f"policy {policy}, table {table}" not in server.log:
        yield f"not policy {policy}, table {table}: {server.log[-300:]}"
    for name in CLOSED:
        if stage.address(server.port, name) != bytes(4):
            yield f"{name} is open"
    if stage.address(server.port, ALLOWED) != stage.speaker.GOOD:
        yield f"{ALLOWED} does not resolve"


def _soon_blocked(server: Server, name: str) -> bool:
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        if stage.address(server.port, name) == bytes(4):
            return True
        time.sleep(STEP_S)
    return False
