"""Nights on demand: a school whose lists lie on a web server of its own, and updates that can be killed or starved.

The lists are made up and change every night. A helper process imports this module once and forks a child for every
update, so that all of an update's time is its work.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filterd.core import names
from filterd.errors import ListError, TableError
from filterd.store import lists, tables
from filterd.update.run import Options, run
from lib.promises.stage import UNLIMITED
from tests.running import CLASSES, SCHOOL
from tests.stepping import Stepper
from tests.update.boxes import GAMES, MORE, Box, Watching, body
from tests.update.webserver import WebServer

CANARY, SENTINEL, ALLOWED = "canary.example", "sentinel.example", "allowed.example"
PROBES = f"""\
must_resolve:
  - {{id: learn, name: {{vi: Học, en: Learn}}, names: [{ALLOWED}]}}
must_block:
  - {{category: games, names: [{SENTINEL}]}}
"""
EXPECTED = (OSError, ListError, TableError)  # what an update may end with, for tests.stepping
ASKED = Options(only=frozenset({"games-list", "more-list"}))  # by name: asked even if they are not due
BENCHMARKS = Path(__file__).parent.parent.parent
SEED = 13


def update(state: Path) -> None:
    """One update; in a process of its own. Raises TableError where it was not well."""
    result = run(state.parent / "config", state, ASKED, Watching())
    if result.exit_code:
        raise TableError(result.status["text"])


class School:
    """A box with two fetched lists: one has the canary, the other the sentinel."""

    def __init__(self, directory: Path, web: WebServer, count: int) -> None:
        self.web = web
        self.count = count
        self.box = Box(directory, web, GAMES, MORE, school=SCHOOL + UNLIMITED, classes=CLASSES, probes=PROBES)
        self.config, self.state = self.box.config, self.box.state
        self.night = 0
        self.dawn()
        self.box.now = time.time()
        assert self.box.again().status["generation"]

    def dawn(self) -> str:
        """The sources publish new lists; gives a name that is only in the new one."""
        self.night += 1
        new = f"night-{self.night}.example"
        self.web.files["/games.txt"] = body(self.count, more=[CANARY, new])
        self.web.files["/more.txt"] = body(self.count // 2, self.count, [SENTINEL, f"more-{new}"])
        return new

    def fault(self) -> str:
        """What is wrong on the disk after an update that was cut short; "" if nothing is."""
        now = tables.pointed(self.state)
        if now is None:
            return "CURRENT names nothing"
        try:
            table = tables.open_table(tables.verify(self.state, now))
        except TableError as error:
            return str(error)
        if not all(table.mask(names.key_of_text(name)) for name in (CANARY, SENTINEL)):
            return f"{now} opens a name"
        for source, last in (("games-list", CANARY), ("more-list", SENTINEL)):
            copy = (self.state / "lists" / source / lists.COPY).read_bytes()
            if not (copy.startswith(last.encode()) and copy.endswith(b".example\n")):
                return f"the copy of {source} is not whole"
        return ""


@contextlib.contextmanager
def school(count: int = 5_000) -> Iterator[School]:
    """A school with a table in force; its lists have about so many names."""
    with WebServer({}) as web, tempfile.TemporaryDirectory(prefix="filterd-nights-") as directory:
        yield School(Path(directory), web, count)


class Updates(Stepper):
    """Updates in processes of their own."""

    def __init__(self, state: Path) -> None:
        self.state = state
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = f"{BENCHMARKS}:{BENCHMARKS.parent}"  # for the helper process
        try:
            super().__init__(__name__)
        finally:
            del os.environ["PYTHONPATH"]
            if before is not None:
                os.environ["PYTHONPATH"] = before

    def start(self) -> int:
        """Begin one; gives its process id. `ended` must follow."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(f"update\t{self.state}\n")
        self._server.stdin.flush()
        pid = int(self._server.stdout.readline())
        os.kill(pid, signal.SIGCONT)
        return pid

    def ended(self) -> int:
        """Wait for it; its status as of waitpid(2)."""
        assert self._server.stdout is not None
        return int(self._server.stdout.readline())

    def whole(self) -> float:
        """One that nobody disturbs, and that must be well; the seconds it took."""
        began = time.monotonic()
        self.start()
        assert self.ended() == 0, "an update that nobody disturbed failed"
        return time.monotonic() - began


def typical_s(updates: Updates, of: School) -> float:
    """The median time of five updates that all have news."""
    taken = []
    for _ in range(5):
        of.dawn()
        taken.append(updates.whole())
    return statistics.median(taken)


def dice() -> random.Random:
    """The same points on every run, as far as the machine is the same."""
    return random.Random(SEED)
