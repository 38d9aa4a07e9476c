from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from filterd.core import names
from filterd.core.firstseen import PER_DAY
from filterd.core.policy import Leases, Local, NewlySeen, Policy, Route
from filterd.live import firstseen
from filterd.live.firstseen import RETRY_S, SAVE_S, STRANGE_CLOCK_S, Keeper, open_seen, own_zones
from filterd.store import firstseen as store
from tests import schools

DAY_S = 86400
NOW = 20_700 * DAY_S + 3600.0
NEW = NewlySeen("games", 7)
POLICY = replace(schools.POLICY, newly_seen=NEW)
KEY = names.key_of_text("www.example.com")


def opened(state: Path, now: float = NOW, monotonic: float = 0.0) -> Keeper:
    keeper = Keeper(state)
    assert keeper.follow(NEW, now, monotonic)
    return keeper


def size_of(state: Path) -> int:
    return store.path(state).stat().st_size


def test_a_school_without_the_category_has_no_register(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    assert not keeper.follow(None, NOW, 0.0)
    assert (keeper.path, keeper.take([(1, 2)]), list(tmp_path.iterdir())) == (None, [], [])


def test_the_first_start_begins_to_learn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    keeper = opened(tmp_path)
    assert keeper.path == str(tmp_path / "dns" / "first-seen")
    assert "learning begins; for 7 days nothing is new" in caplog.text
    assert keeper.problem == ""
    assert not keeper.follow(NEW, NOW, 1.0)


def test_reports_are_merged_and_only_news_goes_on(tmp_path: Path) -> None:
    keeper = opened(tmp_path)
    assert keeper.take([(1, 0), (2, 0)]) == [(1, 0), (2, 0)]
    assert keeper.take([(2, 0), (3, 0)]) == [(3, 0)]
    assert keeper.fresh == [(1, 0), (2, 0), (3, 0)]


def test_it_is_saved_every_ten_minutes_and_only_if_there_is_something(tmp_path: Path) -> None:
    keeper = opened(tmp_path)
    sizes = []
    for at in (0, SAVE_S - 1, SAVE_S, 2 * SAVE_S, 3 * SAVE_S):
        if at < SAVE_S:
            keeper.take([(int(at) + 1, 0)])
        keeper.follow(NEW, NOW, at)
        sizes.append(size_of(tmp_path))
    assert sizes == [sizes[0]] * 2 + [sizes[0] + 2 * 8 + 12] * 3


def test_a_worker_that_starts_while_it_is_saved_misses_nothing(tmp_path: Path) -> None:
    keeper = opened(tmp_path)
    keeper.take([(1, 0)])
    keeper.save()
    assert keeper.fresh == [(1, 0)]
    keeper.take([(2, 0)])
    keeper.save()
    assert keeper.fresh == [(2, 0)]


def test_what_was_saved_is_there_after_a_restart(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.take([(1, 0), (2, 20_700)])
    first.save()
    second = opened(tmp_path, NOW + DAY_S)
    assert second.take([(1, 0), (2, 20_701), (3, 20_701)]) == [(3, 20_701)]


def test_many_pieces_become_one_at_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MANY_BLOCKS", 5)
    keeper = opened(tmp_path)
    for n in range(8):
        keeper.take([(n, 0)])
        keeper.save()
    opened(tmp_path)
    stored = store.load(store.path(tmp_path))
    assert (stored.blocks, stored.register.size) == (1, 8)


@pytest.mark.parametrize("damage", [b"", b"garbage", bytes(5000)], ids=["empty", "text", "NULs"])
def test_a_damaged_file_begins_again_and_says_so(tmp_path: Path, damage: bytes) -> None:
    opened(tmp_path).save()
    before = store.secret_of(store.path(tmp_path))
    store.path(tmp_path).write_bytes(damage)
    keeper = opened(tmp_path)
    assert "learning begins again" in keeper.problem
    assert store.secret_of(store.path(tmp_path)) != before
    keeper.take([(1, 0)])
    keeper.save()
    assert keeper.problem == ""


def test_a_damaged_end_is_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keeper = opened(tmp_path)
    keeper.take([(1, 0)])
    keeper.save()
    with store.path(tmp_path).open("ab") as file:
        file.write(b"half")
    again = opened(tmp_path)
    assert "the end of the register was damaged" in caplog.text
    assert again.take([(1, 0)]) == []


def test_a_full_disk_loses_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = opened(tmp_path)
    keeper.take([(1, 0)])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store, "append", full)
        keeper.save()
    assert "No space left on device; 1 wait in memory" in keeper.problem
    keeper.save()
    assert (keeper.problem, store.load(store.path(tmp_path)).register.size) == ("", 1)


def test_without_a_place_for_the_file_nothing_is_new_and_it_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "dns").write_text("in the way")
    keeper = Keeper(tmp_path)
    assert not keeper.follow(NEW, NOW, 0.0)
    assert "nothing is new" in keeper.problem
    assert keeper.path is None
    (tmp_path / "dns").unlink()
    assert [keeper.follow(NEW, NOW, at) for at in (1.0, RETRY_S)] == [False, True]


@pytest.mark.parametrize("days", [-3650, 3650], ids=["back", "far ahead"])
def test_a_clock_that_jumps_and_comes_back_does_no_harm(tmp_path: Path, days: int) -> None:
    keeper = opened(tmp_path)
    secret = store.secret_of(store.path(tmp_path))
    keeper.follow(NEW, NOW + 10 * DAY_S, 1.0)
    assert not keeper.follow(NEW, NOW + days * DAY_S, 2.0)
    assert not keeper.follow(NEW, NOW + 10 * DAY_S, 3.0)
    assert store.secret_of(store.path(tmp_path)) == secret


@pytest.mark.parametrize("days", [-3650, 3650])
def test_a_clock_that_stays_was_right_and_the_register_begins_again(tmp_path: Path, days: int) -> None:
    keeper = opened(tmp_path)
    keeper.follow(NEW, NOW + 10 * DAY_S, 1.0)
    later = NOW + days * DAY_S
    told = [keeper.follow(NEW, later, 2.0 + at) for at in (0.0, STRANGE_CLOCK_S, STRANGE_CLOCK_S + 1)]
    assert told == [False, False, True]
    assert store.load(store.path(tmp_path)).register.last == later // DAY_S


def test_a_box_that_was_born_in_1970_learns_from_the_day_its_clock_is_right(tmp_path: Path) -> None:
    keeper = opened(tmp_path, 100.0)
    assert keeper.follow(NEW, NOW, 1.0)
    assert store.load(store.path(tmp_path)).register.started == 20_700


def test_a_full_register_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = opened(tmp_path)
    assert keeper._stored is not None
    keeper._stored.register.capacity = 2
    keeper.take([(1, 0), (2, 0), (3, 0)])
    assert keeper.follow(NEW, NOW, 1.0)
    assert "is full (2)" in keeper.problem


def test_a_flood_over_many_workers_is_one_flood(tmp_path: Path) -> None:
    keeper = opened(tmp_path)
    half = PER_DAY // 2
    taken = [len(keeper.take([(at * half + n, 0) for n in range(half)])) for at in range(3)]
    assert taken == [half, half, 0]
    keeper.follow(NEW, NOW + DAY_S, 1.0)
    assert keeper.take([(1 << 40, 0)])


def test_switched_off_and_on_again_it_goes_on(tmp_path: Path) -> None:
    keeper = opened(tmp_path)
    keeper.take([(1, 0)])
    assert keeper.follow(None, NOW, 1.0)
    assert keeper.path is None
    assert keeper.follow(NEW, NOW, 2.0)
    assert keeper.take([(1, 0)]) == []


# -- the workers' side ------------------------------------------------------------------------------------------------


def test_a_worker_sees_what_the_keeper_saved(tmp_path: Path) -> None:
    keeper = opened(tmp_path, NOW - 7 * DAY_S)
    one = open_seen(keeper.path, POLICY, NOW)
    assert one is not None
    one.note(KEY)
    assert keeper.take(one.changes())
    keeper.save()
    other = open_seen(keeper.path, POLICY, NOW)
    assert other is not None
    other.note(KEY)
    assert (other.is_new(KEY), other.changes()) == (True, [])
    other.roll(20_707)
    assert not other.is_new(KEY)


def test_a_worker_reads_the_file_only_where_it_is_another_register(tmp_path: Path) -> None:
    keeper = opened(tmp_path)
    first = open_seen(keeper.path, POLICY, NOW)
    assert first is not None
    assert open_seen(keeper.path, POLICY, NOW, first) is first
    longer = open_seen(keeper.path, replace(POLICY, newly_seen=NewlySeen("games", 30)), NOW, first)
    assert longer is not None
    assert (longer.days, longer.register, longer.sites) == (30, first.register, first.sites)
    routed = open_seen(keeper.path, replace(POLICY, routes=(Route("truong.example", ()),)), NOW, first)
    assert routed is not None
    assert routed.sites is not first.sites
    assert not routed.is_new(names.key_of_text("dc.truong.example"))
    shutil.rmtree(tmp_path / "dns")
    again = open_seen(opened(tmp_path).path, POLICY, NOW, first)
    assert again is not None
    assert again.register is not first.register


def test_a_worker_without_a_file_finds_nothing_new_and_one_that_has_it_goes_on(tmp_path: Path) -> None:
    keeper = opened(tmp_path)
    assert open_seen(None, POLICY, NOW) is None
    assert open_seen(keeper.path, schools.POLICY, NOW) is None
    first = open_seen(keeper.path, POLICY, NOW)
    store.path(tmp_path).write_bytes(b"damaged")
    assert open_seen(keeper.path, POLICY, NOW) is None
    assert open_seen(keeper.path, POLICY, NOW, first) is first


def test_the_schools_own_zones_are_local_leased_and_routed_ones() -> None:
    local = Local(("truong.lan",), (), Leases("thietbi.lan", (), ()))
    policy: Policy = replace(POLICY, local=local, routes=(Route("ad.truong.vn", ()),))
    assert own_zones(policy) == ("truong.lan", "thietbi.lan", "ad.truong.vn")


@pytest.mark.parametrize(("now", "day"), [(-5.0, 0), (0.0, 0), (NOW, 20_700), (1e15, 0xFFFF)])
def test_a_day_is_a_number_of_two_bytes(now: float, day: int) -> None:
    assert firstseen.day_of(now) == day
