import datetime
import zoneinfo

import pytest

from filterd.config import compile_timetable, load
from filterd.config.schema_timetable import Timetable
from filterd.core.policy import Policy
from filterd.core.timetable import NO_TIMETABLE, Clock, SpecialDays
from tests import configs

HANOI = zoneinfo.ZoneInfo("Asia/Ho_Chi_Minh")
PLAN = {"morning": ["07:00-07:45", "07:50-08:35"], "afternoon": ["13:00-13:45"], "evening": ["19:00-19:45"]}
YEAR = {"first_day": "2026-09-07", "last_day": "2027-05-28"}


def day(text: str) -> int:
    return compile_timetable.day(datetime.date.fromisoformat(text))


def made(zone: zoneinfo.ZoneInfo = HANOI, **said: object):
    return compile_timetable.timetable(Timetable.model_validate({"plans": {"p": PLAN}, **said}), zone)


def week(**classes: object) -> dict[str, object]:
    return {"weeks": [{"classes": classes}]}


def test_a_file_that_says_nothing_is_no_timetable():
    assert compile_timetable.timetable(Timetable(), HANOI) is NO_TIMETABLE


@pytest.mark.parametrize(
    ("counting", "numbers"), [("restart", [1, 2, 1, 1]), ("continue", [1, 2, 3, 4])], ids=["again", "on"]
)
def test_periods_are_counted_again_or_on(counting, numbers):
    (plan,) = made(plans={"p": {**PLAN, "counting": counting}}).plans
    assert [bell.number for bell in plan.bells] == numbers
    assert [bell.half for bell in plan.bells] == ["morning", "morning", "afternoon", "evening"]
    assert (plan.bells[1].starts, plan.bells[1].ends) == (470, 515)


def test_lessons_stand_at_their_period_and_in_their_room_or_that_of_the_class():
    lab = {"subject": "Tin", "room": "lab", "profile": "video", "teacher": "ha"}
    said = {"plan": "p", "room": "phong-1", "tue": {"morning": [None, "Toán"], "afternoon": [lab]}}
    ((own,),) = [w.classes for w in made(**week(**{"7a": said})).weeks]
    assert [(n.weekday, n.bell, n.subject, n.room, n.profile, n.teacher) for n in own.lessons] == [
        (1, 1, "Toán", "phong-1", None, None),
        (1, 2, "Tin", "lab", "video", "ha"),
    ]


def test_storms_go_before_days_that_make_up_and_these_before_holidays():
    holiday, storm = ({"name": n, "first_day": "2026-11-20"} for n in ("Lễ", "Bão"))
    make_up = {"date": "2026-11-28", "runs": "mon"}
    found = made(years={"y": {**YEAR, "holidays": [holiday], "make_up": [make_up], "storms": [storm]}})
    closed = day("2026-11-20")
    saturday = day("2026-11-28")
    assert found.days == (
        SpecialDays(closed, closed, None, "Bão"),
        SpecialDays(saturday, saturday, 0, ""),
        SpecialDays(closed, closed, None, "Lễ"),
    )
    assert [(y.first, y.last, y.name) for y in found.years] == [(day("2026-09-07"), day("2027-05-28"), "y")]


@pytest.mark.parametrize(
    ("said", "plan"),
    [
        pytest.param({"classroom": "7a"}, "p", id="of its class"),
        pytest.param({"classroom": "9b", "instead_of": "8a"}, "q", id="of whom it displaces"),
        pytest.param({"classroom": "7a", "plan": "q"}, "q", id="as it says"),
    ],
)
def test_a_booking_follows_bells(said, plan):
    classes = {"7a": {"plan": "p"}, "8a": {"plan": "q"}}
    booking = {"date": "2026-11-23", "half": "morning", "periods": [2, 1, 2, 9], "room": "lab", **said}
    found = made(plans={"p": PLAN, "q": PLAN}, bookings=[booking], **week(**classes)).bookings
    assert [(b.plan, b.bell, b.day) for b in found] == [(plan, 1, day("2026-11-23")), (plan, 0, day("2026-11-23"))]


def test_a_booking_of_a_class_without_lessons_follows_the_only_bells_there_are():
    booking = {"date": "2026-11-23", "half": "afternoon", "periods": [1], "room": "lab", "classroom": "9b"}
    assert [b.plan for b in made(bookings=[booking]).bookings] == ["p"]
    assert made(plans={"p": PLAN, "q": PLAN}, bookings=[booking]).bookings == ()


def test_windows_over_midnight_end_on_the_next_day():
    window = {"places": ["a", "a"], "days": ["sun", "mon"], "times": ["22:00-05:30"], "overnight": True, "profile": "x"}
    (found,) = made(windows=[window]).windows
    assert (found.places, found.weekdays, found.starts, found.ends) == (("a",), (0, 6), 1320, 1770)


@pytest.mark.parametrize(
    "zone",
    [
        "Asia/Ho_Chi_Minh",
        "Europe/Berlin",
        "Africa/Casablanca",
        "Australia/Lord_Howe",
        "America/Havana",
        "Asia/Kathmandu",
    ],
)
def test_clock_and_zone_agree_on_every_day(zone):
    here = zoneinfo.ZoneInfo(zone)
    clock = Clock(compile_timetable.offsets(here))
    for on in range(day("2026-01-01"), day("2029-01-01"), 3):
        date = datetime.date(1970, 1, 1) + datetime.timedelta(days=on)
        for minute in (0, 430, 1439):
            local = datetime.datetime.combine(date, datetime.time(minute // 60, minute % 60), here)
            back = datetime.datetime.fromtimestamp(local.timestamp(), here)
            if (back.hour, back.minute) == (local.hour, local.minute):  # a time that the clock does show
                assert clock.moment(on, minute) == int(local.timestamp())
                assert clock.day(local.timestamp()) == on


def test_the_compiled_policy_carries_it_through_json(tmp_path):
    text = """\
plans: {p: {morning: [07:00-07:45]}}
weeks: [{classes: {7-3: {plan: p, mon: {morning: [{subject: Tin, room: staff-room}]}}}}]
windows: [{places: [staff-room], times: [22:00-05:30], overnight: true, profile: exam}]
"""
    policy = load.load(configs.write(tmp_path, timetable=text))
    assert policy.timetable.weeks[0].classes[0].lessons[0].room == "staff-room"
    assert Policy.from_json(policy.to_json()) == policy


def test_a_directory_without_the_file_has_no_timetable(tmp_path):
    assert load.load(configs.write(tmp_path)).timetable == NO_TIMETABLE
