"""Files change, break and come back under a running server: what was good stays in force, and the server says so."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import configs
from tests.running import EXAM, PUPIL, SEVENTH, Server, addresses, build_table, replace, until, write_school
from tests.upstreams import ADDRESS, Upstream

BLOCKED = ["0.0.0.0"]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as found:
        yield found


@pytest.fixture
def school(tmp_path: Path) -> tuple[Path, Path]:
    return write_school(tmp_path)


@pytest.fixture
def server(school: tuple[Path, Path], upstream: Upstream) -> Iterator[Server]:
    with Server(*school, upstreams=(upstream.url,)) as found:
        yield found


def second_table(school: tuple[Path, Path], name: str = "later.example") -> str:
    """A further generation that lists one name more."""
    config, state = school
    with (config / "blocklists/curated/adult.txt").open("a") as file:
        file.write(f"{name}\n")
    return build_table(config, state)


def blocked(server: Server, name: str, source: str = PUPIL) -> bool:
    return addresses(server.ask(name, source=source)) == BLOCKED


class TestPolicy:
    def test_a_changed_file_is_in_force_within_about_a_second(self, server: Server, school: tuple[Path, Path]) -> None:
        assert addresses(server.ask("new.example.org")) == [ADDRESS]
        configs.change(school[0], "policies/names.yaml", "- tro-choi", "- new.example.org\n  - tro-choi")
        started = time.monotonic()
        until(lambda: blocked(server, "new.example.org"), "the new block is in force")
        assert time.monotonic() - started < 5, "two looks, half a second apart, on a machine with other work"

    def test_a_broken_file_changes_nothing_and_every_mistake_is_said(
        self, server: Server, school: tuple[Path, Path]
    ) -> None:
        path = school[0] / "policies/classes.yaml"
        good = path.read_bytes()
        path.write_bytes(good.replace(b"tier: tieu-hoc", b"tier: tieuhoc").replace(b"profile: exam", b"profile: exm"))
        server.wait_log("Nothing was changed; in force: policy")
        assert "policies/classes.yaml:2" in server.log
        assert "policies/classes.yaml:4" in server.log
        assert blocked(server, "adult.example")
        assert blocked(server, "vi-du.edu.vn", EXAM)
        server.wait_metric('filterd_failed_reloads_total{input="policy"}', lambda n: n == 1)
        assert server.metrics()['filterd_input_fault{input="policy"}'] == 1
        path.write_bytes(good)
        server.wait_metric('filterd_input_fault{input="policy"}', lambda n: n == 0)
        server.wait_log("policy is well again")

    def test_sighup_looks_at_once(self, server: Server, school: tuple[Path, Path]) -> None:
        configs.change(school[0], "policies/classes.yaml", "profile: video", "profile: offline")
        server.process.send_signal(signal.SIGHUP)
        server.wait_log("SIGHUP: looking at every file")
        until(lambda: blocked(server, "example.org", SEVENTH), "the new profile is in force")

    def test_a_start_with_broken_files_serves_the_last_good_policy(
        self, school: tuple[Path, Path], upstream: Upstream
    ) -> None:
        with Server(*school):
            pass
        (school[0] / "policies/tiers.yaml").write_text("tiers: [", encoding="utf-8")
        with Server(*school, upstreams=(upstream.url,)) as server:
            assert "Serving the last good policy" in server.log
            assert blocked(server, "adult.example")
            assert server.metrics()['filterd_input_fault{input="policy"}'] == 1

    def test_a_folder_that_vanishes_changes_nothing(self, server: Server, school: tuple[Path, Path]) -> None:
        shutil.rmtree(school[0] / "policies")
        server.wait_log("Nothing was changed")
        assert blocked(server, "adult.example")

    def test_what_only_a_restart_can_change_is_said(self, server: Server, school: tuple[Path, Path]) -> None:
        configs.change(school[0], "policies/school.yaml", "127.0.0.1:5300", "127.0.0.1:5301")
        server.wait_log("restart for them")
        assert blocked(server, "adult.example")


def cut(path: Path) -> None:
    """A file that lost its second half."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])


def flip(path: Path) -> None:
    """A file with one bit that turned over."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.unlink()
    path.write_bytes(data)


DAMAGE: list[tuple[str, Callable[[Path], None]]] = [
    ("trie.marisa", cut), ("trie.marisa", flip), ("trie.marisa", Path.unlink),
    ("sets.bin", cut), ("sets.bin", Path.unlink),
    ("meta.json", cut), ("meta.json", flip), ("meta.json", Path.unlink),
]  # fmt: skip
DAMAGE_IDS = [f"{name} {'gone' if how is Path.unlink else how.__name__}" for name, how in DAMAGE]


class TestTable:
    def test_a_new_generation_is_in_force_within_a_second(self, server: Server, school: tuple[Path, Path]) -> None:
        assert addresses(server.ask("later.example")) == [ADDRESS]
        generation = second_table(school)
        until(lambda: blocked(server, "later.example"), "the new table is in force", within_s=5)
        server.wait_log(f"table {generation} replaces 000001-")
        assert server.metrics()["filterd_table_names"] == 2

    @pytest.mark.parametrize(("name", "damage"), DAMAGE, ids=DAMAGE_IDS)
    def test_a_damaged_generation_is_passed_over_at_the_start(
        self, school: tuple[Path, Path], name: str, damage: Callable[[Path], None]
    ) -> None:
        generation = second_table(school)
        damage(school[1] / "tables" / generation / name)
        with Server(*school) as server:
            assert blocked(server, "adult.example")
            assert f"{generation}/{name}" in server.log
            assert "table 000001-" in server.log
            assert server.metrics()['filterd_input_fault{input="table"}'] == 1

    def test_a_damaged_generation_is_passed_over_while_serving(self, server: Server, school: tuple[Path, Path]) -> None:
        pointer = school[1] / "CURRENT"
        before = pointer.read_bytes()
        server.process.send_signal(signal.SIGSTOP)
        generation = second_table(school)
        flip(school[1] / "tables" / generation / "trie.marisa")
        server.process.send_signal(signal.SIGCONT)
        server.wait_log("it is damaged")
        server.wait_metric('filterd_input_fault{input="table"}', lambda n: n == 1)
        assert blocked(server, "adult.example")
        replace(pointer, before)
        server.wait_log("table is well again")
        server.wait_metric('filterd_input_fault{input="table"}', lambda n: n == 0)

    @pytest.mark.parametrize(
        "said", [b"", b"\xff\0\xfe" * 9, b"../../etc/passwd\n", b"000009-0123456789abcdef\n", None],
        ids=["empty", "binary", "a path", "a generation that is not there", "gone"],
    )  # fmt: skip
    def test_a_pointer_that_cannot_be_followed_leaves_what_is_in_force_and_is_said(
        self, server: Server, school: tuple[Path, Path], said: bytes | None
    ) -> None:
        pointer = school[1] / "CURRENT"
        good = pointer.read_bytes()
        if said is None:
            pointer.unlink()
        else:
            replace(pointer, said)
        server.wait_metric('filterd_input_fault{input="table"}', lambda n: n == 1)
        assert blocked(server, "adult.example")
        replace(pointer, good)
        server.wait_metric('filterd_input_fault{input="table"}', lambda n: n == 0)

    def test_a_table_damaged_after_it_was_verified_costs_a_new_worker_nothing(
        self, server: Server, school: tuple[Path, Path]
    ) -> None:
        generation = second_table(school)
        until(lambda: blocked(server, "later.example"), "the new table is in force")
        cut(school[1] / "tables" / generation / "trie.marisa")
        (worker,) = server.workers()
        os.kill(worker, signal.SIGKILL)
        assert addresses(server.ask("adult.example", within_s=10)) == BLOCKED
        server.wait_log("in force: 000001-")
        server.wait_metric('filterd_input_fault{input="table"}', lambda n: n == 1)

    def test_all_tables_gone_leaves_the_worker_what_it_has_and_a_new_one_the_policies(
        self, server: Server, school: tuple[Path, Path]
    ) -> None:
        shutil.rmtree(school[1] / "tables")
        server.wait_metric('filterd_input_fault{input="table"}', lambda n: n == 1)
        assert blocked(server, "adult.example")
        (worker,) = server.workers()
        os.kill(worker, signal.SIGKILL)
        assert addresses(server.ask("tro-choi.example", within_s=10)) == BLOCKED
        build_table(*school)
        until(lambda: blocked(server, "adult.example"), "a table that was built again is taken")
        server.wait_metric('filterd_input_fault{input="table"}', lambda n: n == 0)

    def test_a_start_without_a_table_serves_the_policies_and_says_so(self, school: tuple[Path, Path]) -> None:
        shutil.rmtree(school[1])
        with Server(*school) as server:
            assert blocked(server, "tro-choi.example")
            assert "filterd lists build" in server.log
            assert server.metrics()['filterd_input_fault{input="table"}'] == 1

    def test_swaps_under_load_lose_no_query(self, server: Server, school: tuple[Path, Path]) -> None:
        pointer = school[1] / "CURRENT"
        turns = [pointer.read_bytes()]
        second_table(school)
        turns.append(pointer.read_bytes())
        stop = threading.Event()
        asked: list[int] = []
        answered: list[int] = []

        def load(source: str) -> None:
            with server.udp(source, within_s=5) as sock:
                for number in range(900):  # below the burst, whatever the machine's speed
                    if stop.is_set():
                        break
                    packet = number.to_bytes(2, "big") + ASK_ADULT
                    asked.append(number)
                    sock.send(packet)
                    if sock.recv(4096)[:2] == packet[:2]:
                        answered.append(number)

        clients = [threading.Thread(target=load, args=(f"127.0.31.{i}",)) for i in range(2, 12)]
        for client in clients:
            client.start()
        swaps = 0
        while any(client.is_alive() for client in clients):
            replace(pointer, turns[swaps % 2])
            wanted = turns[swaps % 2].decode().strip()
            swaps += 1
            until(lambda wanted=wanted: f'generation="{wanted}"' in server.metrics_text(), "the swap")
            if swaps == 6:
                stop.set()
        for client in clients:
            client.join()
        assert sorted(answered) == sorted(asked)
        assert len(asked) > 100
        assert swaps > 1


ASK_ADULT = b"\1\0\0\1\0\0\0\0\0\0\5adult\7example\0\0\1\0\1"


class TestOverrides:
    @staticmethod
    def publish(state: Path, *items: dict[str, object], sequence: int = 1) -> None:
        replace(state / "overrides.json", json.dumps({"items": items, "sequence": sequence}).encode())

    def test_an_override_is_in_force_within_a_second_and_ends_by_itself(
        self, server: Server, school: tuple[Path, Path]
    ) -> None:
        assert blocked(server, "youtube.com")
        until_s = int(time.time()) + 4
        self.publish(school[1], {"place": "3a", "until": until_s, "profile": "video"})
        until(lambda: not blocked(server, "youtube.com"), "the override is in force", within_s=3)
        until(lambda: blocked(server, "youtube.com"), "it ended")
        assert time.time() >= until_s

    @pytest.mark.parametrize(
        "data",
        [
            b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"items": [[]], "sequence": 1}',
            b'{"items": [{"place": "3a", "until": 1e999}], "sequence": 1}',
            b'{"items": [{"place": "3a", "until": 9e9, "allow": {"names": [1]}}], "sequence": 1}',
            '{"items": [{"place": "3a", "until": 9e9, "block": {"names": ["trò.vn"]}}], "sequence": 1}'.encode(),
            b'{"items": [{"place": "3a", "until": 9e9, "block": {"nmes": []}}], "sequence": 1}',
        ],
        ids=[
            "half", "a list", "null", "not text", "deep", "an item that is a list",
            "an end without end", "a number for a name", "a name that is not normal", "an unknown key",
        ],
    )  # fmt: skip
    def test_a_broken_file_leaves_the_last_good_overrides(
        self, server: Server, school: tuple[Path, Path], data: bytes
    ) -> None:
        self.publish(school[1], {"place": "3a", "until": 9_000_000_000, "block": {"names": ["example.org"]}})
        until(lambda: blocked(server, "example.org"), "the override is in force")
        before = server.workers()
        replace(school[1] / "overrides.json", data)
        server.wait_metric('filterd_input_fault{input="overrides"}', lambda n: n == 1)
        assert blocked(server, "example.org")
        assert server.workers() == before
        self.publish(school[1], sequence=3)
        until(lambda: not blocked(server, "example.org"), "a good file is taken again")


class TestDisk:
    def test_a_full_disk_stops_no_start_and_no_reload(self, school: tuple[Path, Path]) -> None:
        def full() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

        with Server(*school, before=full) as server:
            assert blocked(server, "adult.example")
            assert "cannot keep the compiled policy" in server.log
            names = "- tro-choi.example"
            configs.change(school[0], "policies/names.yaml", names, f"{names}\n  - new.example.org")
            until(lambda: blocked(server, "new.example.org"), "the new policy is in force")
            assert not list((school[1] / "dns").iterdir()), "nothing half-written"

    def test_a_state_directory_that_cannot_be_used_stops_no_start(self, school: tuple[Path, Path]) -> None:
        shutil.rmtree(school[1])
        school[1].write_text("a file where a folder should be")
        with Server(school[0], school[1] / "state") as server:
            assert blocked(server, "tro-choi.example")
            assert "cannot keep the compiled policy" in server.log

    def test_a_state_directory_that_vanishes_changes_nothing(self, server: Server, school: tuple[Path, Path]) -> None:
        shutil.rmtree(school[1])
        server.wait_metric('filterd_input_fault{input="table"}', lambda n: n == 1)
        assert blocked(server, "adult.example")
        assert server.metrics()["filterd_dns_worker_restarts_total"] == 0
