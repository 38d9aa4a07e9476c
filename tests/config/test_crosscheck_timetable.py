import datetime
import itertools
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterd.config import load
from filterd.config.compile_timetable import day
from filterd.core.agenda import Agenda
from filterd.errors import ConfigError
from tests import configs
from tests.config.test_crosscheck import complaints

CLASSES = """\
classrooms:
  - {id: 6a, name: 6A, tier: thcs}
  - {id: 7a, name: 7A, tier: thcs, subnets: [10.7.1.0/24]}
  - {id: 7-3, name: 7/3, tier: thcs}
rooms:
  - {id: lab, name: Phòng tin, tier: thcs, subnets: [10.9.1.0/24]}
  - {id: library, name: Thư viện, tier: thcs, subnets: [10.9.2.0/24]}
"""
PLANS = """\
plans:
  p: {morning: [07:00-07:45, 07:50-08:35], afternoon: [13:00-13:45]}
  q: {morning: [07:30-08:15]}
"""
NIGHT = "places: [lab], days: [sun], times: [22:00-05:30], overnight: true"
LAB = "{subject: Tin, room: lab}"


def timetable(text: str) -> list[str]:
    changed = {"policies/timetable.yaml": text, "policies/classes.yaml": CLASSES}
    changed["policies/names.yaml"] = "allow: []\n"
    with mock.patch.dict(configs.FILES, changed):
        return complaints()


def week(*lines: str, plans: str = PLANS) -> str:
    return plans + "weeks:\n  - classes:\n" + "".join(f"      {line}\n" for line in lines)


def booking(*more: str, date: str = "2026-11-23") -> str:
    own = "".join(f"  - {{date: {date}, half: morning, {each}}}\n" for each in more)
    return week(f"7a: {{plan: p, mon: {{morning: [{LAB}]}}}}", "6a: {plan: p}") + "bookings:\n" + own


def window(*lines: str) -> str:
    return "windows:\n" + "".join(f"  - {{profile: exam, {line}}}\n" for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        PLANS,
        week(f"6a: {{plan: p, mon: {{morning: [{LAB}]}}}}", f"7a: {{plan: p, mon: {{morning: [null, {LAB}]}}}}"),
        week("6a: {plan: p, room: lab, mon: {morning: [x]}}", "7a: {plan: p, room: lab, mon: {afternoon: [x]}}"),
        week(f"6a: {{plan: p, mon: {{morning: [{LAB}]}}}}", f"7a: {{plan: p, tue: {{morning: [{LAB}]}}}}"),
        booking("periods: [2], room: lab, classroom: 6a"),
        booking("periods: [1], room: lab, classroom: 6a, instead_of: 7a"),
        booking("periods: [1], room: lab, instead_of: 7a"),
        booking("periods: [1], room: lab, classroom: 7a, profile: exam"),
        booking("periods: [1], room: library, classroom: 7a", "periods: [1], room: lab, classroom: 6a"),
        booking("periods: [1], room: lab, classroom: 6a", "periods: [1], room: library, classroom: 7a"),
        booking("periods: [1], room: lab, classroom: 6a", date="2026-11-24"),
        window("places: [lab], times: [22:00-05:30], overnight: true", "places: [lab], times: [05:30-06:00]"),
        window("places: [lab], times: [08:00-09:00], when: school", "places: [lab], times: [08:00-09:00], when: free"),
        window("places: [lab], days: [mon], times: [08:00-09:00]", "places: [lab], days: [tue], times: [08:00-09:00]"),
        window("places: [lab, 7a], times: [06:00-07:00, 12:00-13:00]"),
    ],
    ids=[
        "plans", "one-after-another", "double-shift", "other-days", "free-period", "instead", "emptied", "own-room",
        "swapped", "in-any-order", "other-date", "night-and-morning", "school-and-free", "weekdays", "several-a-day",
    ],
)  # fmt: skip
def test_what_holds_together_is_fine(text):
    assert timetable(text) == []


MISTAKES = [
    (week("7-33: {plan: p}"), "timetable.yaml:6 weeks[0].classes.7-33: '7-33' is not a class; did you mean '7-3'?"),
    (week("lab: {plan: p}"), "'lab' is not a class; there is 6a, 7-3, 7a"),
    (week("7a: {plan: pp}"), "weeks[0].classes.7a.plan: 'pp' is not a plan; did you mean 'p'?"),
    (week("7a: {plan: p, room: labb}"), "classes.7a.room: 'labb' is not a room; did you mean 'lab'?"),
    (week("7a: {plan: p, room: 6a}"), "'6a' is not a room but a class; a place that several classes share"),
    (week("7a: {plan: p, mon: {morning: [{room: lap}]}}"), "mon.morning[0].room: 'lap' is not a room; did you mean"),
    (week("7a: {plan: p, mon: {morning: [{profile: exm}]}}"), "'exm' is not a profile; did you mean 'exam'?"),
    (week("7a: {plan: p, mon: {morning: [a, b, c]}}"), "mon.morning[2]: 3 periods, but the plan 'p' has 2 in the"),
    (week("7a: {plan: q, mon: {evening: [a]}}"), "mon.evening[0]: 1 periods, but the plan 'q' has 0 in the evening"),
    (
        week(f"6a: {{plan: p, mon: {{morning: [{LAB}]}}}}", f"7a: {{plan: p, mon: {{morning: [{LAB}]}}}}"),
        "timetable.yaml:7 weeks[0].classes.7a.mon.morning[0]: two in lab at once, at 07:00: 6a is there by line 6",
    ),
    (
        week(f"6a: {{plan: p, mon: {{morning: [x, {LAB}]}}}}", f"7a: {{plan: q, mon: {{morning: [{LAB}]}}}}"),
        "two in lab at once, at 07:50: 6a is there by line 6",
    ),
    ("plans: {p: {morning: [07:00-07:45, 07:40-08:20]}}\n", "plans.p.morning[1]: begins at 07:40, before period 1"),
    ("plans: {p: {morning: [07:00-12:45], afternoon: [12:30-13:15]}}\n", "plans.p.afternoon[0]: begins at 12:30"),
    ("plans: {p: {morning: [08:00-08:45, 07:00-07:45]}}\n", "plans.p.morning[1]: begins at 07:00, before period 1"),
    (booking("periods: [1], room: lab, classroom: 6a"), "two in lab at once, at 07:00: 7a is there by line 6; add"),
    (booking("periods: [2], room: lab, instead_of: 7a"), "instead_of: '7a' is not in lab then, at 07:50"),
    (booking("periods: [2], room: lab"), "bookings[0]: says nobody; add classroom, or instead_of to empty the room"),
    (booking("periods: [3], room: lab, classroom: 7a"), "periods[0]: the plan 'p' has no period 3 in the morning"),
    (booking("periods: [2], room: lab, classroom: 7-3"), "bookings[0]: the bells are not known: name a plan"),
    (
        booking("periods: [2], room: lab, classroom: 7a", "periods: [2], room: lab, classroom: 6a, plan: p"),
        "bookings[1]: two in lab at once, at 07:50: 7a is there by line 9",
    ),
    (
        booking("periods: [2], room: lab, classroom: 7a", "periods: [2], room: library, classroom: 7a"),
        "bookings[1]: 7a is booked into lab at that time, in line 9",
    ),
    (booking("periods: [1], room: lap, classroom: 7a"), "bookings[0].room: 'lap' is not a room; did you mean 'lab'?"),
    (window("places: [lab], times: [22:00-05:30]"), "22:00-05:30 ends before it begins; add overnight: true if"),
    (window("places: [lab], times: [08:00-09:00], overnight: true"), "08:00-09:00 would last longer than a day"),
    (window("places: [lap], times: [08:00-09:00]"), "windows[0].places[0]: 'lap' is not a class or room; did you mean"),
    (
        window("places: [lab], times: [08:00-09:00]", "places: [7a, lab], times: [08:30-10:00]"),
        "windows[1].times[0]: lab already has a window at that time, in line 2",
    ),
    (
        window(NIGHT, "places: [lab], times: [05:00-06:00]"),
        "windows[1].times[0]: lab already has a window at that time, in line 2",
    ),
    (window("places: [lab], times: [08:00-09:00, 08:30-09:30]"), "windows[0].times[1]: lab already has a window"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=[message[:40] for _, message in MISTAKES])
def test_what_does_not_is_told_once(text, message):
    (found,) = timetable(text)
    assert message in found


YEAR = "years:\n  y:\n    first_day: 2026-09-07\n    last_day: 2027-05-28\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "years: {y: {first_day: 2026-09-07, last_day: 2026-05-28}}\n",
            "2026-05-28 is before the first day, 2026-09-07",
        ),
        (
            "weeks: [{first_day: 2026-09-07, last_day: 2026-05-28}]\n",
            "weeks[0].last_day: 2026-05-28 is before the first",
        ),
        (
            YEAR + "  z: {first_day: 2027-05-01, last_day: 2028-05-01}\n",
            "the school year before ends on 2027-05-28 only",
        ),
        (
            YEAR + "    holidays: [{name: Tết, first_day: 2027-02-12, last_day: 2027-02-03}]\n",
            "years.y.holidays[0].last_day: 2027-02-03 is before the first day",
        ),
        (
            YEAR + "    holidays: [{name: Tết, first_day: 2027-02-03, last_day: 2027-02-12}]\n"
            "    make_up: [{date: 2027-02-06, runs: mon}]\n",
            "make_up[0].date: 2027-02-06 is in the holiday 'Tết' of line 5",
        ),
        (
            YEAR + "    make_up: [{date: 2027-02-06, runs: mon}, {date: 2027-02-06, runs: tue}]\n",
            "make_up[1].date: 2027-02-06 makes up for a day already, in line 5",
        ),
    ],
    ids=["year", "week", "years-overlap", "holiday", "make-up-in-holiday", "made-up-twice"],
)
def test_days_that_contradict_each_other_are_told(text, message):
    (found,) = timetable(text)
    assert message in found


def test_a_storm_may_close_a_day_that_makes_up():
    text = "    make_up: [{date: 2026-11-28, runs: mon}]\n    storms: [{name: Bão, first_day: 2026-11-28}]\n"
    assert timetable(YEAR + text) == []


def test_a_booking_on_a_day_that_makes_up_meets_the_lessons_of_that_day():
    years = YEAR + "    make_up: [{date: 2026-11-28, runs: mon}]\n"
    (found,) = timetable(booking("periods: [1], room: lab, classroom: 6a", date="2026-11-28") + years)
    assert "two in lab at once" in found


@pytest.mark.parametrize(
    "text",
    [
        "plans: 7\nweeks: 7\nbookings: 7\nwindows: 7\nyears: 7\n",
        "plans: {p: 7}\nweeks: [7]\nbookings: [7]\nwindows: [7]\nyears: {y: 7}\n",
        "weeks: [{classes: 7}, {classes: {7a: 7}}, {classes: {7a: {plan: [p], mon: {morning: 7}}}}]\n",
        "weeks: [{classes: {7a: {plan: p, mon: {morning: [{room: [x], profile: {}}]}}}}]\n" + PLANS,
        "windows: [{places: {a: b}, times: [x], profile: [y]}]\nbookings: [{room: 7, periods: x}]\n",
        "7\n",
    ],
)
def test_what_the_schema_complains_about_is_skipped(text):
    assert [line for line in timetable(text) if "is not a" not in line] == []


# -- whatever is accepted puts one class into a room at a time, and a class into one place -----------------------------

ROOMS = st.sampled_from(["null", "x", "{room: lab}", "{room: library}"])
IDS = st.sampled_from(["6a", "7a", "7-3"])
HOMES = st.sampled_from(["", "", "room: lab, ", "room: library, "])
SHARED = "".join(f"  - {{id: {i}, name: {i}, tier: thcs}}\n" for i in ("6a", "7a", "7-3"))
PLACES = f"classrooms:\n{SHARED}rooms:\n{SHARED.replace('6a', 'lab').replace('7a', 'library').replace('7-3', 'yard')}"


@st.composite
def files(draw: st.DrawFn) -> str:
    text = PLANS + "weeks:\n  - classes:\n"
    for ident in draw(st.lists(IDS, unique=True, min_size=1)):
        plan, count = draw(st.sampled_from([("p", 2), ("q", 1)]))
        held = ", ".join(draw(st.lists(ROOMS, max_size=count)))
        text += f"      {ident}: {{plan: {plan}, {draw(HOMES)}mon: {{morning: [{held}]}}}}\n"
    booked = ""
    for who in draw(
        st.lists(st.sampled_from(["classroom: {0}", "instead_of: {0}", "classroom: {0}, instead_of: {1}"]))
    ):
        room, said = draw(st.sampled_from(["lab", "library"])), who.format(draw(IDS), draw(IDS))
        period = draw(st.integers(1, 2))
        booked += f"  - {{date: 2026-11-23, half: morning, periods: [{period}], room: {room}, plan: p, {said}}}\n"
    return text + ("bookings:\n" + booked if booked else "")


@settings(max_examples=200, deadline=None)
@given(files())
def test_what_is_accepted_has_one_class_in_a_room_and_a_class_in_one_place(tmp_path_factory, text):
    config = configs.write(tmp_path_factory.getbasetemp() / "accepted", classes=PLACES, names="allow: []\n")
    try:
        agenda = Agenda(load.load(config, staged={"timetable.yaml": text.encode()}).timetable)
    except ConfigError:
        return
    for one, two in itertools.combinations(agenda.spans(day(datetime.date(2026, 11, 23))), 2):
        if one.starts < two.ends and two.starts < one.ends:
            assert one.classroom != two.classroom
            assert one.room is None or one.room != two.room
