"""One worker process on its own: it serves what it was told, and ends with its parent."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from filterd.core.firstseen import FirstSeen, Register
from filterd.core.policy import NewlySeen
from filterd.dns.channel import Channel, encode, receive_one
from filterd.dns.hot import HotSelector
from filterd.dns.worker import Worker
from filterd.store import firstseen as store
from tests import schools
from tests.dns.parts import ADULT, PLAIN
from tests.running import REPO
from tests.upstreams import Upstream


def orders(**changes: Any) -> dict[str, Any]:
    plain = {"policy": schools.POLICY.to_json(), "table": None, "overrides": {"items": [], "sequence": 0}}
    return {**plain, "upstreams": [], **changes}


def blocking(name: str) -> dict[str, Any]:
    """A policy that blocks one name more."""
    policy = schools.POLICY.to_json()
    entry = {"name": name, "allow": False, "tiers": [], "classes": [], "reason": ""}
    return orders(policy={**policy, "names": [*policy["names"], entry], "digest": "new"})


class Process:
    """A worker, its channel and its UDP socket."""

    def __init__(self, first: dict[str, Any] | None) -> None:
        self.control, theirs = socket.socketpair()
        self.control.settimeout(10)
        self.listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.listening.bind(("127.0.0.1", 0))
        fds = (theirs.fileno(), self.listening.fileno())
        assignment = json.dumps({"control": fds[0], "udp": [fds[1]], "tcp": []})
        command = [sys.executable, "-m", "filterd.dns.worker", assignment]
        self.process = subprocess.Popen(command, pass_fds=fds, cwd=REPO, stderr=subprocess.PIPE, text=True)
        theirs.close()
        if first is not None:
            self.control.sendall(encode(first))

    def hear(self, wanted: str) -> Any:
        while True:
            message = receive_one(self.control)
            assert message is not None, self.end()
            if wanted in message:
                return message[wanted]

    def ask(self, packet: bytes, source: str = "127.0.31.7") -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.bind((source, 0))
            sock.sendto(b"aa" + packet, self.listening.getsockname())
            return sock.recv(4096)

    def end(self) -> tuple[int, str]:
        self.control.close()
        self.listening.close()
        try:
            _, log = self.process.communicate(timeout=10)
        finally:
            self.process.kill()
        return self.process.returncode, log


@pytest.fixture
def worker() -> Iterator[Process]:
    found = Process(orders())
    found.hear("ready")
    yield found
    status, log = found.end()
    assert (status, log) == (0, "")


def test_it_answers_and_reports(worker: Process) -> None:
    assert worker.ask(b"\1\0\0\1\0\0\0\0\0\0\tlocalhost\0\0\1\0\1")[-4:] == bytes((127, 0, 0, 1))
    counted: dict[tuple[Any, ...], float] = {}
    while ("queries", "udp", "tieu-hoc", "allow", "special_use") not in counted:
        counted |= {tuple(key): value for *key, value in worker.hear("counts")["counters"]}


def test_it_takes_new_orders_and_says_so(worker: Process) -> None:
    worker.control.sendall(encode(blocking("example.org")))
    assert worker.hear("swapped") == {"table": "", "policy": "new"}
    assert worker.ask(PLAIN)[3] & 15 == 0


def test_the_last_of_several_orders_is_what_it_starts_with() -> None:
    worker = Process(orders())
    worker.control.sendall(encode(blocking("example.org")))
    worker.hear("ready")
    reply = worker.ask(PLAIN)
    assert worker.end()[0] == 0
    assert reply[3] & 15 in (0, 2)


def test_it_uses_the_upstreams_it_is_told(worker: Process) -> None:
    assert worker.ask(PLAIN)[3] & 15 == 2
    with Upstream() as upstream:
        worker.control.sendall(encode(orders(upstreams=[upstream.url])))
        worker.hear("swapped")
        assert worker.ask(PLAIN)[3] & 15 == 0


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(orders(table="/nowhere/000001-0000000000000000"), id="a table that is not there"),
        pytest.param({}, id="nothing"),
        pytest.param([], id="a list"),
        pytest.param("policy", id="a word"),
        pytest.param({k: v for k, v in orders().items() if k != "upstreams"}, id="no upstreams"),
        pytest.param(orders(policy=7), id="a number for a policy"),
        pytest.param(orders(policy={**schools.POLICY.to_json(), "tiers": 7}), id="a number for the tiers"),
        pytest.param(orders(policy={**schools.POLICY.to_json(), "more": 7}), id="a key that nobody knows"),
        pytest.param(orders(overrides=None), id="no overrides"),
        pytest.param(orders(upstreams=[7]), id="a number for an upstream"),
        pytest.param(orders(upstreams=["nonsense"]), id="an upstream that is none"),
        pytest.param(orders(secrets=["secret"]), id="a secret that is none"),
        pytest.param(orders(secrets=[7]), id="a number for a secret"),
    ],
)
def test_bad_orders_are_refused_and_what_it_had_stays(worker: Process, bad: Any) -> None:
    worker.control.sendall(encode(bad))
    assert "in force" in worker.hear("refused")
    assert worker.ask(ADULT)[:2] == b"aa"


def test_a_cookie_of_one_worker_is_taken_by_another_that_knows_the_secret(worker: Process) -> None:
    def cookie(asked: bytes) -> bytes:
        option = b"\0\x0a" + len(asked).to_bytes(2, "big") + asked
        record = b"\0\0\x29\x04\xd0\0\0\0\0" + len(option).to_bytes(2, "big") + option
        localhost = ADULT[:8] + b"\0\1\x09localhost\0\0\1\0\1"  # an error would have no room for a new cookie
        reply = worker.ask(localhost + record)
        at = reply.find(b"\0\x0a\0\x18" + asked[:8])
        return reply[at + 4 : at + 28] if at > 0 else b""

    assert cookie(b"12345678") == b"", "none without a secret"
    old, new = "00" * 16, "11" * 16
    worker.control.sendall(encode(orders(secrets=[old])))
    worker.hear("swapped")
    made = cookie(b"12345678")
    assert cookie(made) == made
    worker.control.sendall(encode(orders(secrets=[new, old])))
    worker.hear("swapped")
    renewed = cookie(made)
    assert renewed[:8] == made[:8]
    assert renewed[-8:] != made[-8:]


def test_it_ends_on_sigterm_and_neither_on_ctrl_c_nor_on_a_reload() -> None:
    worker = Process(orders())
    worker.hear("ready")
    for number in (signal.SIGINT, signal.SIGHUP):
        worker.process.send_signal(number)
        assert worker.ask(ADULT)[:2] == b"aa"
    worker.process.terminate()
    assert worker.process.wait(10) == 0
    assert worker.end() == (0, "")


def test_it_ends_quietly_when_the_parent_ends_before_it_said_anything() -> None:
    assert Process(None).end() == (0, "")


def test_a_table_that_cannot_be_mapped_ends_a_start_with_one_line() -> None:
    worker = Process(orders(table="/nowhere/000001-0000000000000000"))
    assert worker.process.wait(10) == 1
    status, log = worker.end()
    assert status == 1
    assert "/nowhere/000001-0000000000000000" in log
    assert "Traceback" not in log


def in_a_loop(first: dict[str, Any], story: Callable[[Worker], None]) -> None:
    """Tell a story of the parts of a worker, without its process."""
    hot = HotSelector()

    async def told() -> None:
        story(Worker(asyncio.get_running_loop(), hot, first))

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(hot)) as runner:
        runner.run(told())


def test_a_clock_that_is_set_right_takes_the_overrides_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    start = int(schools.NOW)
    override = {"place": "7-3", "since": start, "until": start + 3600, "block": {"names": ["example.org"]}}
    clock = [float(start + 7200)]
    monkeypatch.setattr(time, "time", lambda: clock[0])

    def story(worker: Worker) -> None:
        def closed() -> bool:
            return bool(schools.row(worker.forwarder.snapshot, "7-3").extra)

        seen = [closed()]
        for moment in (start + 60, start + 61, start + 3600, start - 60, start + 1):
            clock[0] = float(moment)
            worker._second()
            seen.append(closed())
        assert seen == [False, True, True, False, False, True]

    in_a_loop(orders(overrides={"items": [override], "sequence": 1}), story)


def test_it_looks_for_garbage_once_a_second() -> None:
    def story(worker: Worker) -> None:
        looks: list[int] = []
        worker.garbage.second = lambda: looks.append(1)  # type: ignore[method-assign]
        worker._second()
        assert looks == [1]

    in_a_loop(orders(), story)


# -- domains that this school has not met before ----------------------------------------------------------------------

DAY = 20_700
SEEN_AT = float(DAY * 86400 + 3600)


def closing_new(path: Path) -> dict[str, Any]:
    """Orders by which domains newer than a week are closed as games, and the register in that file."""
    policy = replace(schools.POLICY, newly_seen=NewlySeen("games", 7))
    return orders(policy=policy.to_json(), seen=str(path))


def hearing(worker: Worker) -> list[dict[str, Any]]:
    """What the worker tells its parent from now on."""
    heard: list[dict[str, Any]] = []
    channel = Channel(lambda _: None, lambda: None)
    channel.send = heard.append  # type: ignore[method-assign]
    worker._channel = channel
    return heard


def test_it_reports_what_it_was_the_first_to_see_and_takes_up_what_others_saw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: SEEN_AT)
    store.create(tmp_path / "first-seen", Register(bytes(16), DAY - 30, DAY))

    def story(worker: Worker) -> None:
        seen = worker.forwarder.snapshot.seen
        assert isinstance(seen, FirstSeen)
        heard = hearing(worker)
        seen.note(b"com.example.www.")
        entry = (seen.register.hash_of(b"com.example."), DAY)
        worker._second()
        worker._second()
        assert [message["seen"] for message in heard if "seen" in message] == [[entry]]
        other = seen.register.hash_of(b"com.other.")
        worker._order({"noted": [[other, DAY - 7]]})
        assert [seen.is_new(key) for key in (b"com.example.", b"com.other.")] == [True, False]

    in_a_loop(closing_new(tmp_path / "first-seen"), story)


def test_a_new_day_takes_effect_with_a_new_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [SEEN_AT]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    store.create(tmp_path / "first-seen", Register(bytes(16), DAY - 30, DAY))

    def story(worker: Worker) -> None:
        first = worker.forwarder.snapshot
        clock[0] += 60
        worker._second()
        assert worker.forwarder.snapshot is first
        clock[0] += 86400
        worker._second()
        assert worker.forwarder.snapshot is not first
        assert worker.forwarder.snapshot.seen is first.seen

    in_a_loop(closing_new(tmp_path / "first-seen"), story)


def test_without_the_category_it_reads_no_register_and_what_others_saw_is_nothing(tmp_path: Path) -> None:
    def story(worker: Worker) -> None:
        worker._order({"noted": [[1, 2]]})
        assert worker.forwarder.snapshot.seen is None

    in_a_loop(orders(seen=str(tmp_path / "none")), story)
