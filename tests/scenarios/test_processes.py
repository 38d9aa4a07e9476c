"""Processes that die, hang or are told to end, and sockets that outlive them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dnslib import DNSRecord

from tests import configs
from tests.running import PUPIL, REPO, Server, addresses, question, until, write_school
from tests.upstreams import ADDRESS, Upstream

BLOCKED = ["0.0.0.0"]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as found:
        yield found


@pytest.fixture
def school(tmp_path: Path) -> tuple[Path, Path]:
    return write_school(tmp_path)


def test_sigterm_ends_everything_in_order_within_three_seconds(school: tuple[Path, Path]) -> None:
    server = Server(*school, workers=2)
    workers = server.workers()
    assert len(workers) == 2
    assert server.stop() < 3.0
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_sigterm_ends_a_server_with_a_hanging_worker_within_three_seconds(school: tuple[Path, Path]) -> None:
    server = Server(*school, workers=2)
    os.kill(server.workers()[0], signal.SIGSTOP)
    assert server.stop() < 3.5


def test_workers_end_with_a_parent_that_was_killed(school: tuple[Path, Path]) -> None:
    server = Server(*school, workers=2)
    workers = server.workers()
    os.kill(server.process.pid, signal.SIGKILL)
    server.end()
    until(lambda: not any(_runs(pid) for pid in workers), "the workers ended")
    assert "Traceback" not in server.log


def test_questions_in_the_gap_after_a_worker_was_killed_are_answered_late_and_not_lost(
    school: tuple[Path, Path], upstream: Upstream
) -> None:
    with Server(*school, upstreams=(upstream.url,)) as server:
        (before,) = server.workers()
        os.kill(before, signal.SIGKILL)
        until(lambda: not _runs(before), "the worker is dead")
        with server.udp(within_s=10) as sock:
            packets = [question(f"n{i}.example.org").pack() for i in range(50)]
            packets += [question("adult.example").pack()] * 50
            for packet in packets:
                sock.send(packet)
            replies = [DNSRecord.parse(sock.recv(4096)) for _ in packets]
        assert sum(addresses(reply) == [ADDRESS] for reply in replies) == 50
        assert sum(addresses(reply) == BLOCKED for reply in replies) == 50
        (after,) = server.workers()
        assert after != before
        server.wait_log("ended with status -9: starting another")
        assert server.wait_metric("filterd_dns_worker_restarts_total", lambda n: n == 1) == 1
        server.wait_metric("filterd_dns_workers", lambda n: n == 1)


def test_a_tcp_client_that_comes_in_the_gap_waits_and_is_answered(school: tuple[Path, Path]) -> None:
    with Server(*school) as server:
        (before,) = server.workers()
        os.kill(before, signal.SIGKILL)
        until(lambda: not _runs(before), "the worker is dead")
        assert addresses(server.ask("adult.example", tcp=True, within_s=10)) == BLOCKED


def test_a_worker_that_hangs_is_replaced_and_what_it_left_is_answered(school: tuple[Path, Path]) -> None:
    with Server(*school) as server:
        (before,) = server.workers()
        os.kill(before, signal.SIGSTOP)
        assert addresses(server.ask("adult.example", within_s=15)) == BLOCKED
        server.wait_log("has been silent for")
        assert server.workers() != [before]


def test_other_clients_do_not_feel_a_worker_that_hangs(school: tuple[Path, Path]) -> None:
    with Server(*school, workers=2) as server:
        os.kill(server.workers()[0], signal.SIGSTOP)
        answered = []
        for last in range(2, 6):
            with server.udp(f"127.0.31.{last}", within_s=0.5) as sock:
                sock.send(question("adult.example").pack())
                try:
                    answered.append(sock.recv(4096))
                except TimeoutError:
                    continue
        assert len(answered) == 2, "addresses are dealt out to the workers by turns"


def test_a_worker_is_replaced_however_often_it_dies(school: tuple[Path, Path]) -> None:
    with Server(*school) as server:
        for _ in range(3):
            (pid,) = until(lambda: server.workers(), "a worker runs")
            until(lambda: server.ask("adult.example", within_s=10), "it answers")
            os.kill(pid, signal.SIGKILL)
            until(lambda pid=pid: server.workers() not in ([pid], []), "another one runs")
        assert addresses(server.ask("adult.example", within_s=10)) == BLOCKED


def test_sockets_that_were_passed_are_taken_and_the_flag_listen_is_not_needed(school: tuple[Path, Path]) -> None:
    config, state = school
    with Server(config, state, ready=False, workers=2) as unused:
        unused.wait_log("DNS on ")
    wrapper = Path(__file__).parent / "with_sockets.py"
    port = unused.port
    command = [
        sys.executable, str(wrapper), str(port), "2", sys.executable, "-m", "filterd", "run", "-c", str(config),
        "--state-dir", str(state), "--workers", "2", "--metrics", f"127.0.0.1:{unused.metrics_port}",
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=REPO)
    assert process.stderr is not None
    with process, process.stderr:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "DNS on" in line:
                break
        assert f"127.0.0.1:{port}" in lines[-1], lines
        for source in (PUPIL, "127.0.31.8", "127.0.31.9"):
            for tcp in (False, True):
                assert addresses(unused.ask("adult.example", source=source, tcp=tcp)) == BLOCKED
        process.terminate()
        rest = process.stderr.read()
        assert process.wait(5) == 0
        assert "Traceback" not in rest


def test_the_service_manager_hears_ready_watchdog_and_stopping(school: tuple[Path, Path], tmp_path: Path) -> None:
    import socket

    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(10)
        with Server(*school, env={"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "1000000"}):
            assert manager.recv(4096).startswith(b"READY=1")
            assert manager.recv(4096) == b"WATCHDOG=1"
            assert manager.recv(4096) == b"WATCHDOG=1"
        heard = [b"WATCHDOG=1"]
        while heard[-1] == b"WATCHDOG=1":
            heard.append(manager.recv(4096))
        assert heard[-1] == b"STOPPING=1"


def test_the_watchdog_is_fed_on_a_box_whose_own_address_is_in_no_network(tmp_path: Path) -> None:
    config, state = write_school(tmp_path)
    configs.change(config, "policies/school.yaml", '127.0.0.0/16, "::1/128"', "127.0.31.0/24, 127.0.73.0/24, 127.0.90.0/24, 127.0.200.0/24, \"::1/128\"")  # fmt: skip  # noqa: E501
    with Server(config, state) as server:
        assert addresses(server.ask("adult.example")) == BLOCKED
        server.wait_metric("filterd_dns_queries_total", lambda n: n >= 3)
        assert server.metrics()["filterd_dns_self_query_failures_total"] == 0


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
