"""The parent's own parts; what it does with real workers is told in `tests/scenarios`."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from filterd.core.policy import Leases, Local, NewlySeen
from filterd.dns import parent as parent_module
from filterd.dns.parent import OPEN_FILES, Flags, Parent, self_query, table_state
from filterd.dns.supervisor import WorkerProcess
from filterd.live.published import open_published
from tests.running import REPO, free_port, has_ipv6, write_school


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "[::1]", "[::]"])
def test_a_self_query_is_answered_by_whoever_echoes_its_id(host: str) -> None:
    ipv6 = ":" in host
    if ipv6 and not has_ipv6():
        pytest.skip("::1 is not there")
    with socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((host.strip("[]"), 0))
        server.settimeout(5)

        def echo() -> None:
            packet, peer = server.recvfrom(512)
            server.sendto(packet[:2] + b"\x81\x83" + packet[4:], peer)

        thread = threading.Thread(target=echo)
        thread.start()
        assert self_query(f"{host}:{server.getsockname()[1]}", 5)
        thread.join()


def test_a_self_query_to_nobody_or_to_somebody_silent_fails() -> None:
    assert not self_query(f"127.0.0.1:{free_port()}", 5)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        assert not self_query(f"127.0.0.1:{silent.getsockname()[1]}", 0.05)


def test_the_figures_of_a_table_come_from_the_table(tmp_path: Path) -> None:
    _, state = write_school(tmp_path, names="second.example\n")
    (directory,) = (state / "tables").glob("0*")
    found = table_state(directory)
    assert (found.generation, found.names, found.sources["adult-curated"][0]) == (directory.name, 2, 2)
    assert table_state(None).generation == ""


def test_a_table_damaged_since_has_a_name_and_no_figures(tmp_path: Path) -> None:
    _, state = write_school(tmp_path)
    (directory,) = (state / "tables").glob("0*")
    (directory / "meta.json").write_text("{}")
    found = table_state(directory)
    assert (found.generation, found.names, found.sources) == (directory.name, 0, {})


def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(7)[1]));"
        "from filterd.dns import parent; parent._allow_open_files(); print(resource.getrlimit(7)[0])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=REPO, check=True)
    assert int(done.stdout) == (OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard))


def test_a_storm_of_hang_ups_reloads_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = open_published(*write_school(tmp_path))
    looks: list[bool] = []

    def poll_config(at_once: bool = False) -> bool:
        looks.append(at_once)
        if len(looks) == 1:
            for _ in range(50):
                os.kill(os.getpid(), signal.SIGHUP)
        return False

    monkeypatch.setattr(type(published), "poll_config", lambda _, at_once=False: poll_config(at_once))
    parent = Parent(published, Flags())

    async def story() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, parent._hang_up)
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.1)

    asyncio.run(story())
    assert looks == [True, True]


def test_a_lost_packet_is_no_lost_self_query() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5.0)

        def answer_the_third() -> None:
            for _ in range(3):
                packet, peer = server.recvfrom(512)
            server.sendto(packet, peer)

        thread = threading.Thread(target=answer_the_third)
        thread.start()
        assert self_query(f"127.0.0.1:{server.getsockname()[1]}", 2.0)
        thread.join()
        assert not self_query(f"127.0.0.1:{server.getsockname()[1]}", 0.1)


def test_what_one_worker_saw_first_all_others_hear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = open_published(*write_school(tmp_path))
    published.policy = replace(published.policy, newly_seen=NewlySeen("games", 7))
    parent = Parent(published, Flags())
    assert parent._follow()
    assert parent._orders()["seen"] == str(published.state_dir / "dns" / "first-seen")
    heard: list[tuple[int, object]] = []
    monkeypatch.setattr(WorkerProcess, "note", lambda self, noted: heard.append((self.number, noted)))
    parent._workers = [WorkerProcess(n, [], dict, parent._message, parent._ended) for n in range(3)]
    parent._message(1, {"seen": [[5, 0], [6, 0]]})
    parent._message(2, {"seen": [[6, 0]]})
    parent._message(0, {"ready": {}})
    news = [(5, 0), (6, 0)]
    assert heard == [(0, news), (2, news), (0, []), (1, []), (0, news)]


def test_leases_are_looked_at_every_two_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = open_published(*write_school(tmp_path))
    file = tmp_path / "leases"
    file.write_text("0 aa 10.0.0.1 tv *\n")
    published.policy = replace(published.policy, local=Local(leases=Leases("lan", (str(file),), ())))
    clock = [100.0]
    monkeypatch.setattr(parent_module, "monotonic", lambda: clock[0])
    parent = Parent(published, Flags())
    told = []
    for now in (100.0, 101.9, 102.0):
        clock[0] = now
        told.append(parent._follow())
        file.write_text("")
    assert told == [True, False, True]
    assert parent._orders()["leases"] == ()
