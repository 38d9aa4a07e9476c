"""A worker's place: real processes that die, hang, or cannot be started."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from filterd.dns import sockets, supervisor
from filterd.dns.channel import Channel
from filterd.dns.supervisor import WorkerProcess
from tests import schools
from tests.dns.parts import until
from tests.running import free_port

ORDERS = {"policy": schools.POLICY.to_json(), "table": None, "overrides": {"items": [], "sequence": 0}, "upstreams": []}
Story = Callable[[WorkerProcess], Awaitable[Any]]


class Told:
    """What the parent hears."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.ends = 0
        self.orders: dict[str, Any] = dict(ORDERS)

    def end(self, _: int) -> None:
        self.ends += 1


def supervise(story: Callable[[WorkerProcess, Told], Awaitable[Any]]) -> None:
    told = Told()
    groups = sockets.bind((f"127.0.0.1:{free_port()}",), 1)

    async def run() -> None:
        place = WorkerProcess(7, groups[0], lambda: told.orders, lambda _, m: told.messages.append(m), told.end)
        async with asyncio.timeout(30):
            await place.start()
            try:
                await place.ready.wait()
                await story(place, told)
            finally:
                place.stop()
                place.wait(5)

    asyncio.run(run())
    for listener in groups[0]:
        listener.socket.close()


def test_domains_seen_elsewhere_are_told_only_to_a_worker_that_serves() -> None:
    place = WorkerProcess(7, [], dict, lambda *_: None, lambda _: None)
    sent: list[dict[str, Any]] = []
    channel = Channel(lambda _: None, lambda: None)
    channel.send = sent.append  # type: ignore[method-assign]
    place._channel = channel
    place.note([(1, 2)])
    place.ready.set()
    place.note([])
    place.note([(3, 4)])
    assert sent == [{"noted": [(3, 4)]}]


def test_a_worker_gets_its_orders_and_says_what_it_serves() -> None:
    async def story(place: WorkerProcess, told: Told) -> None:
        assert place.generation == {"table": "", "policy": ""}
        told.orders["policy"] = {**told.orders["policy"], "digest": "abc"}
        place.tell()
        await until(lambda: place.generation["policy"] == "abc")
        await until(lambda: any("counts" in message for message in told.messages))

    supervise(story)


def test_orders_that_cannot_be_followed_are_refused_and_the_worker_lives() -> None:
    async def story(place: WorkerProcess, told: Told) -> None:
        pid = place.pid
        for bad in ({"policy": {}}, {"table": "/nowhere/000001-0000000000000000"}, {"overrides": {}}):
            heard = len([m for m in told.messages if "refused" in m])
            told.orders = ORDERS | bad
            place.tell()
            await until(lambda heard=heard: len([m for m in told.messages if "refused" in m]) == heard + 1)
        assert place.pid == pid
        assert told.ends == 0

    supervise(story)


def test_a_worker_that_dies_is_replaced_in_its_place() -> None:
    async def story(place: WorkerProcess, told: Told) -> None:
        before = place.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        await until(lambda: place.pid != before and place.ready.is_set())
        assert place.restarts == 1
        assert told.ends == 1

    supervise(story)


def test_a_worker_that_hangs_is_killed_after_several_late_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(place: WorkerProcess, _: Told) -> None:
        before = place.pid
        assert before is not None
        os.kill(before, signal.SIGSTOP)
        later = time.monotonic() + supervisor.BEAT_S + 1
        for _look in range(supervisor.LATE_LOOKS - 1):
            place.check(later)
        assert Path(f"/proc/{before}").exists()
        place.check(later)
        await until(lambda: place.pid != before and place.ready.is_set())

    supervise(story)


def test_after_a_pause_of_the_whole_machine_a_worker_that_speaks_again_is_kept() -> None:
    async def story(place: WorkerProcess, told: Told) -> None:
        before = place.pid
        later = time.monotonic() + supervisor.BEAT_S + 1
        place.check(later)
        heard = len(told.messages)
        await until(lambda: len(told.messages) > heard)
        for _ in range(supervisor.LATE_LOOKS):
            place.check(time.monotonic())
        assert place.pid == before
        assert place.restarts == 0

    supervise(story)


def test_a_system_without_room_for_a_process_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(place: WorkerProcess, _: Told) -> None:
        before = place.pid
        assert before is not None
        refused = []
        popen = supervisor.subprocess.Popen

        def no_room(*arguments: Any, **options: Any) -> Any:
            if len(refused) < 2:
                refused.append(True)
                raise BlockingIOError("Resource temporarily unavailable")
            return popen(*arguments, **options)

        monkeypatch.setattr(supervisor.subprocess, "Popen", no_room)
        os.kill(before, signal.SIGKILL)
        await until(lambda: place.pid != before and place.ready.is_set())
        assert len(refused) == 2

    supervise(story)


def test_a_stopped_place_stays_empty() -> None:
    async def story(place: WorkerProcess, told: Told) -> None:
        pid = place.pid
        place.stop()
        place.wait(5)
        await asyncio.sleep(supervisor.RESTART_S * 4)
        assert place.pid == pid
        assert told.ends == 0

    supervise(story)


def test_modules_in_the_current_directory_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('somebody else is in charge')\n")
    monkeypatch.chdir(tmp_path)

    async def story(place: WorkerProcess, _: Told) -> None:
        assert place.ready.is_set()

    supervise(story)
