"""Days of a school, from the YAML to the answers, with a clock that moves: who is where, and what they get."""

from __future__ import annotations

import datetime
import zoneinfo
from pathlib import Path

import pytest

from filterd.config import load
from filterd.core.exchange import UDP, Exchange
from filterd.core.snapshot import Snapshot
from tests import configs, schools
from tests.core.story import ttls
from tests.running import CLASSES, Server, addresses, until, write_school
from tests.schools import address, query, reply
from tests.upstreams import Upstream

PLACES = """\
classrooms:
  - {id: 3a, name: 3A, tier: tieu-hoc, subnets: [127.0.31.0/24]}
  - {id: 6a, name: 6A, tier: thcs}
  - {id: 8a, name: 8A, tier: thcs, profile: video}
  - {id: 7-3, name: 7/3, tier: thcs, subnets: [10.7.3.0/24], profile: video}
rooms:
  - {id: lab, name: Phòng tin, tier: tieu-hoc, subnets: [127.0.91.0/24]}
  - {id: room-12, name: Phòng 12, tier: tieu-hoc, subnets: [127.0.12.0/24]}
  - {id: dorm, name: Ký túc xá, tier: thcs, subnets: [127.0.93.0/24]}
"""
TIMETABLE = """\
plans:
  early: {morning: [07:00-07:45, 07:50-08:35, 08:55-09:40]}
  late: {afternoon: [13:00-13:45, 13:50-14:35], counting: continue}
years:
  2026-2027:
    first_day: 2026-09-07
    last_day: 2027-05-28
    holidays:
      - {name: Tết, first_day: 2027-02-03, last_day: 2027-02-12}
    make_up:
      - {date: 2026-11-28, runs: mon}
    storms:
      - {name: Bão, first_day: 2026-11-30, last_day: 2026-12-01}
weeks:
  - classes:
      6a: {plan: early, room: room-12, mon: {morning: [Toán, Văn]}}
      8a: {plan: late, room: room-12, mon: {afternoon: [Toán, Văn]}}
      7-3:
        plan: early
        mon: {morning: [{room: lab}, {room: lab}, {profile: exam}]}
      3a:
        plan: early
        mon: {morning: [null, null, {room: lab}]}
windows:
  - {places: [dorm], times: [22:00-05:30], overnight: true, profile: offline}
"""
ZONE = zoneinfo.ZoneInfo("Asia/Ho_Chi_Minh")
NAMES = {"games": "games.example", "video": "youtube.com", "plain": "plain.example"}


class School:
    """A policy and the forwarder of a worker that looks at its clock once a minute."""

    def __init__(self, config: Path, start: str) -> None:
        self.policy = load.load(config)
        self.clock = self.moment(start)
        self.asked = 0
        self.forwarder = schools.forwarder(Snapshot(self.policy, schools.table(), schools.Overrides(), self.clock),
                                           wall=lambda: self.clock)  # fmt: skip
        schools.no_probes(self.forwarder)

    @staticmethod
    def moment(text: str) -> float:
        return datetime.datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()

    def at(self, text: str) -> School:
        """The clock goes on, or leaps; the worker looks at it as it does every second."""
        self.clock = self.moment(text)
        snapshot = self.forwarder.snapshot
        due = snapshot.matrix.valid_until
        if due is not None and self.clock >= due:
            self.forwarder.use(snapshot.at(self.clock))
        return self

    def open(self, place: str) -> set[str]:
        """What a device in a place can reach now."""
        return {kind for kind, name in NAMES.items() if self.asks(f"x{self.asked}.{name}", place)}

    def asks(self, name: str, place: str) -> Exchange | None:
        self.asked += 1
        row = schools.row(self.forwarder.snapshot, place)
        outcome = self.forwarder.query(query(name), UDP, row, "client", 1000.0 + self.asked)
        return outcome if isinstance(outcome, Exchange) else None


@pytest.fixture
def school(tmp_path: Path) -> School:
    config = configs.write(tmp_path, classes=PLACES, timetable=TIMETABLE, names="allow: []\n")
    return School(config, "2026-11-23 06:00")


SECONDARY, PRIMARY, NOTHING = {"plain", "video"}, {"plain"}, set[str]()


def test_a_computer_room_over_a_day(school: School) -> None:
    """7/3 has two periods there as a secondary class, then 3A one; otherwise the room is as for primary pupils."""
    seen = {time: school.at(f"2026-11-23 {time}").open("lab") for time in ("06:59", "07:00", "07:47", "08:34", "08:35")}
    assert seen == {"06:59": PRIMARY, "07:00": SECONDARY, "07:47": SECONDARY, "08:34": SECONDARY, "08:35": PRIMARY}
    assert schools.row(school.forwarder.snapshot, "lab").tier == "tieu-hoc"
    school.at("2026-11-23 09:00")
    lab, own = (schools.row(school.forwarder.snapshot, place) for place in ("lab", "3a"))
    assert lab is own


def test_an_exam_period_shuts_the_class_and_ends_with_the_bell(school: School) -> None:
    found = [school.at(f"2026-11-23 {time}").open("7-3") for time in ("08:50", "08:55", "09:39", "09:40")]
    assert found == [SECONDARY, NOTHING, NOTHING, SECONDARY]


def test_a_double_shift_in_one_classroom(school: School) -> None:
    """6A has it in the morning, 8A in the afternoon, and at noon it is nobody's."""
    found = []
    for time in ("07:10", "12:00", "13:10", "15:00"):
        school.at(f"2026-11-23 {time}")
        row = schools.row(school.forwarder.snapshot, "room-12")
        found.append((row.tier, row.profile))
    assert found == [("thcs", "learning"), ("tieu-hoc", "learning"), ("thcs", "video"), ("tieu-hoc", "learning")]


@pytest.mark.parametrize(
    ("date", "held"),
    [
        pytest.param("2026-11-23", True, id="a Monday"),
        pytest.param("2026-11-28", True, id="a Saturday that makes up for one"),
        pytest.param("2026-11-21", False, id="another Saturday"),
        pytest.param("2026-11-30", False, id="a Monday in a storm"),
        pytest.param("2026-12-07", True, id="the Monday after it"),
        pytest.param("2027-02-08", False, id="a Monday of Tết"),
        pytest.param("2027-02-15", True, id="the first Monday after Tết"),
        pytest.param("2027-06-07", False, id="a Monday in summer"),
    ],
)
def test_lessons_are_held_on_school_days_only(school: School, date: str, held: bool) -> None:
    assert school.at(f"{date} 07:10").open("lab") == (SECONDARY if held else PRIMARY)


def test_over_tet_nothing_is_built_anew_until_the_first_lesson(school: School) -> None:
    school.at("2027-02-03 06:00")
    changes = []
    while school.clock < school.moment("2027-02-15 07:30"):
        due = school.forwarder.snapshot.matrix.valid_until
        assert due is not None
        changes.append(datetime.datetime.fromtimestamp(due, ZONE).strftime("%m-%d %H:%M"))
        school.at(datetime.datetime.fromtimestamp(due, ZONE).strftime("%Y-%m-%d %H:%M"))
        if len(changes) > 40:
            break
    assert changes[:3] == ["02-03 22:00", "02-04 05:30", "02-04 22:00"]  # the dormitory's nights alone
    assert changes[-3:] == ["02-15 05:30", "02-15 07:00", "02-15 08:35"]
    assert len(changes) == 2 * 12 + 2


def test_a_dormitory_is_offline_from_night_to_morning(school: School) -> None:
    times = ("11-23 21:59", "11-23 22:00", "11-24 00:00", "11-24 05:29", "11-24 05:30")
    found = [school.at(f"2026-{time}").open("dorm") for time in times]
    assert found == [SECONDARY, NOTHING, NOTHING, NOTHING, SECONDARY]


def test_what_a_device_was_told_ends_with_the_lesson(school: School) -> None:
    school.at("2026-11-23 08:34")
    school.clock += 55
    exchange = school.asks("youtube.com", "lab")
    assert exchange is not None
    ((_, heard),) = school.forwarder.response(exchange, reply(exchange.question, [address()]), 1002.0)
    assert ttls(heard) == [5]


def test_a_clock_that_is_set_back_finds_the_lesson_again(school: School) -> None:
    school.at("2026-11-23 08:40")
    assert schools.row(school.forwarder.snapshot, "lab").tier == "tieu-hoc"
    school.forwarder.use(school.forwarder.snapshot.at(school.moment("2026-11-23 07:10")))  # as the worker does then
    assert school.open("lab") == SECONDARY


def test_a_running_server_follows_the_bell(tmp_path: Path) -> None:
    """Real processes, whose wall clock says that the bell rings in some seconds."""
    faketime = next((p for p in Path("/usr/lib").rglob("libfaketimeMT.so.1") if p.is_file()), None)
    if faketime is None:
        pytest.skip("faketime is not installed")
    classes = CLASSES + "  - {id: lab, name: Phòng tin, tier: tieu-hoc, subnets: [127.0.91.0/24]}\n"
    timetable = """\
plans: {p: {morning: [07:00-07:45]}}
weeks: [{classes: {7-3: {plan: p, mon: {morning: [{room: lab}]}}}}]
"""
    config, state = write_school(tmp_path, classes=classes, timetable=timetable)
    bell_soon = {
        "LD_PRELOAD": str(faketime),
        "FAKETIME": "@2026-11-23 07:44:50",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "TZ": "Asia/Ho_Chi_Minh",
    }
    with Upstream() as upstream:
        server = Server(config, state, upstreams=(upstream.url,), env=bell_soon)
        try:
            source = "127.0.91.7"
            in_lesson = server.ask("www.youtube.com", source=source)
            assert addresses(in_lesson) not in ([], ["0.0.0.0"])
            assert in_lesson.rr[0].ttl <= 10
            until(lambda: addresses(server.ask("www.youtube.com", source=source)) == ["0.0.0.0"], "the bell", 20)
            assert addresses(server.ask("www.youtube.com", source="127.0.73.7")) != ["0.0.0.0"]
        finally:
            server.kill()  # a faked clock is no good for an orderly end
