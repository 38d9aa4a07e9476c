"""A night while pupils ask: `filterd update` as the timer starts it, beside a running server.

Whatever becomes of the update, no question is lost and what was blocked stays blocked.
"""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pupils import Pupils, Seen
from tests.running import CLASSES, REPO, SCHOOL, Server, addresses, until
from tests.stepping import can_trace
from tests.update.boxes import GAMES, MORE, Box, body
from tests.update.webserver import Behaviour, Connection, Request, WebServer, serve
from tests.upstreams import Upstream

CANARY, SENTINEL, ALLOWED = "game.example", "sentinel.example", "www.example.org"
PROBES = f"must_block:\n  - {{category: games, names: [{SENTINEL}]}}\n"
OLD = body(10_000, more=[CANARY])
NEW = body(10_050, more=[CANARY, "new.example"])
FOUND_IN_TIME_S = 3.0  # the promise is one second; this machine may have other work
needs_strace = pytest.mark.skipif(not can_trace(), reason="strace is not here, or may not trace")


class Night:
    """A school whose first night went well, its server and the sources."""

    def __init__(self, box: Box, web: WebServer, server: Server) -> None:
        self.box = box
        self.web = web
        self.server = server

    def update(
        self, *before: str, prepare: Callable[[], None] | None = None, options: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]:
        """`filterd update`, begun; `before`: what it is started by."""
        command = [
            *before,
            sys.executable,
            "-m",
            "filterd",
            "update",
            "--source",
            "games-list",
            "--source",
            "more-list",
        ]
        command += [*options, "-c", str(self.box.config), "--state-dir", str(self.box.state)]
        return subprocess.Popen(
            command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=prepare
        )

    def blocks(self, name: str) -> bool:
        return addresses(self.server.ask(name)) == ["0.0.0.0"]


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and what it said."""
    said, _ = process.communicate(timeout=60)
    assert "Traceback" not in said, said
    return process.returncode, said


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as found:
        yield found


@pytest.fixture
def night(tmp_path: Path, upstream: Upstream) -> Iterator[Night]:
    with WebServer({"/games.txt": OLD, "/more.txt": body(50, 1000, [SENTINEL])}) as web:
        box = Box(tmp_path, web, GAMES, MORE, school=SCHOOL, classes=CLASSES, probes=PROBES)
        box.now = time.time()
        assert box.again().status["generation"]
        with Server(box.config, box.state, upstreams=(upstream.url,)) as server:
            yield Night(box, web, server)


@pytest.fixture
def seen(night: Night) -> Iterator[Seen]:
    """Pupils who ask during the whole test; at its end nobody noticed anything."""
    with Pupils(night.server.port, (CANARY, SENTINEL, "adult.example"), (ALLOWED,)) as found:
        yield found
    assert found.is_spotless, found


class Gate:
    """A source that answers when it is told to."""

    def __init__(self, data: bytes) -> None:
        self.asked = threading.Event()
        self.open = threading.Event()
        self._answer: Behaviour = serve(data)

    def __call__(self, request: Request, connection: Connection) -> None:
        self.asked.set()
        until(lambda: self.open.is_set() or connection.closing.is_set(), "the gate opens", 30)
        self._answer(request, connection)


@pytest.mark.usefixtures("seen")
class TestANight:
    def test_a_new_list_is_in_force_within_a_second_of_its_publication(self, night: Night) -> None:
        night.web.files["/games.txt"] = NEW
        process = night.update()
        until(lambda: night.blocks("new.example"), "the new name is blocked", 60)
        found_at = time.time()
        code, said = ended(process)
        assert code == 0, said
        assert found_at - (night.box.state / "CURRENT").stat().st_mtime < FOUND_IN_TIME_S
        assert f'generation="{night.box.generation}"' in night.server.metrics_text()

    def test_a_night_without_news_changes_nothing(self, night: Night) -> None:
        before = night.box.generation
        code, said = ended(night.update())
        assert code == 0, said
        assert night.box.generation == before

    def test_a_list_that_is_held_goes_on_blocking_and_the_others_are_renewed(self, night: Night) -> None:
        night.web.files["/games.txt"] = body(20)
        night.web.files["/more.txt"] = body(50, 1000, [SENTINEL, "new.example"])
        code, said = ended(night.update())
        assert code == 1
        assert "games-list" in said
        until(lambda: night.blocks("new.example"), "the other list is in force")
        assert night.blocks("site-99.example")
        assert night.box.outcome("games-list")[0] == "held"

    def test_a_list_that_would_open_a_sentinel_is_held(self, night: Night) -> None:
        night.web.files["/more.txt"] = body(50, 1000)
        night.web.files["/games.txt"] = NEW
        code, _ = ended(night.update())
        assert code == 1
        until(lambda: night.blocks("new.example"), "the other list is in force")
        assert night.box.outcome("more-list") == ("held", "sentinel")

    def test_a_night_without_any_source(self, night: Night) -> None:
        before = night.box.generation
        night.web.close()
        code, said = ended(night.update())
        assert code == 1, said
        assert night.box.generation == before


@pytest.mark.usefixtures("seen")
class TestDisk:
    @staticmethod
    def goes_well_later(night: Night) -> None:
        code, said = ended(night.update())
        assert code == 0, said
        until(lambda: night.blocks("new.example"), "the new name is blocked")

    @pytest.mark.parametrize("limit", [0, 100_000], ids=["not a byte", "half a list"])
    def test_a_night_on_a_full_disk_keeps_the_old_table_and_the_next_is_well(self, night: Night, limit: int) -> None:
        before = night.box.generation
        night.web.files["/games.txt"] = NEW
        code, said = ended(night.update(prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))))
        assert code == 1, said
        assert night.box.generation == before
        self.goes_well_later(night)

    @needs_strace
    @pytest.mark.parametrize("call", ["write", "fsync", "rename"])
    def test_whatever_step_has_no_room(self, night: Night, call: str) -> None:
        night.web.files["/games.txt"] = NEW
        code, said = ended(night.update("strace", "-f", "-o", "/dev/null", "-e", f"inject={call}:error=ENOSPC:when=3+"))
        assert code == 1, said
        self.goes_well_later(night)


@pytest.mark.usefixtures("seen")
class TestTwoUpdates:
    def test_the_second_says_so_and_ends_and_the_first_is_not_disturbed(self, night: Night) -> None:
        gate = night.web.files["/games.txt"] = Gate(NEW)
        first = night.update()
        assert gate.asked.wait(30)
        code, said = ended(night.update())
        assert code == 1
        assert "another update is at work" in said
        gate.open.set()
        code, said = ended(first)
        assert code == 0, said
        until(lambda: night.blocks("new.example"), "the new name is blocked")


@pytest.mark.usefixtures("seen")
class TestKilled:
    @staticmethod
    def goes_well_again(night: Night) -> None:
        code, said = ended(night.update())
        assert code == 0, said
        until(lambda: night.blocks("new.example"), "the new name is blocked")
        lists = night.box.state / "lists"
        assert (lists / "games-list/copy").read_bytes() == NEW
        assert not list(lists.rglob(".*.tmp"))
        assert not (lists / ".staging").exists()

    def test_while_it_downloads(self, night: Night) -> None:
        gate = night.web.files["/games.txt"] = Gate(NEW)
        process = night.update()
        assert gate.asked.wait(30)
        process.kill()
        process.communicate()
        assert (night.box.state / "lists/.staging").exists()
        gate.open.set()
        self.goes_well_again(night)

    @needs_strace
    @pytest.mark.parametrize("at", [1, 2, 4, 6, 8], ids=lambda at: f"rename {at}")
    def test_while_it_publishes_and_keeps(self, night: Night, at: int) -> None:
        night.web.files["/games.txt"] = NEW
        process = night.update("strace", "-f", "-o", "/dev/null", "-e", f"inject=rename:signal=KILL:when={at}")
        process.communicate(timeout=60)
        assert process.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
        self.goes_well_again(night)
