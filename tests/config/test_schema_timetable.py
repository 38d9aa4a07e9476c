import datetime

import pytest
from pydantic import ValidationError

from filterd.config import problems, yamltree
from filterd.config.schema_timetable import LessonModel, Timetable, WindowModel, span


def told(text: str) -> list[str]:
    """The mistakes in a file, as people read them."""
    tree, found = yamltree.read(text.encode(), "timetable.yaml")
    assert not found
    with pytest.raises(ValidationError) as caught:
        Timetable.model_validate(tree.value)
    return [str(p) for p in problems.of_validation("timetable.yaml", tree, Timetable, caught.value)]


def read(text: str) -> Timetable:
    return Timetable.model_validate(yamltree.read(text.encode(), "timetable.yaml")[0].value)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("07:00-07:45", (420, 465)),
        ("07:00 - 07:45", (420, 465)),
        ("22:00-24:00", (1320, 1440)),
        ("22:00-05:30", (1320, 330)),
    ],
)
def test_a_span_of_time(text, minutes):
    assert span(text) == minutes


@pytest.mark.parametrize(
    "text", ["7:00-07:45", "07:00", "07:00-07:45-08:00", "24:00-25:00", "07:00–07:45", "", 700, None]
)
def test_what_is_no_span_of_time_is_refused(text):
    with pytest.raises(ValueError, match="is not a"):
        span(text)


def test_a_lesson_is_a_subject_or_says_more_or_is_none():
    text = "weeks: [{classes: {7a: {plan: p, mon: {morning: [Toán, null, '', {subject: Tin, room: lab}]}}}}]\n"
    (week,) = read(text).weeks
    held = week.classes["7a"].mon
    assert held is not None
    assert held.morning == [LessonModel(subject="Toán"), None, None, LessonModel(subject="Tin", room="lab")]
    assert (week.first_day, week.last_day) == (datetime.date(2020, 1, 1), datetime.date(2099, 12, 31))


def test_everything_may_be_left_out():
    assert read("plans:\nyears:\nweeks:\nbookings:\nwindows:\n") == Timetable()


def test_a_window_is_for_every_day_unless_it_says_otherwise():
    window = WindowModel.model_validate({"places": ["a"], "times": ["06:00-07:00"], "profile": "p"})
    assert (len(window.days), window.overnight, window.when) == (7, False, "every")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plans: {p: {morning: [08:00-07:45]}}\n", "plans.p.morning[0]: '08:00-07:45' ends before it begins"),
        ("plans: {p: {morning: [07:00-07:00]}}\n", "ends before it begins"),
        ("plans: {p: {mornings: []}}\n", "unknown key 'mornings'; did you mean 'morning'?"),
        ("plans: {p: {counting: on}}\n", "'on' is not one of restart or continue"),
        ("weeks: [{classes: {7A: {plan: p}}}]\n", "'7A' is not an id"),
        ("weeks: [{classes: {7a: {mon: {morning: [Toán]}}}}]\n", "'plan' is missing"),
        ("weeks: [{classes: {7a: {plan: p, mon: [Toán]}}}]\n", "a list stands here, a map (key: value) was expected"),
        ("weeks: [{classes: {7a: {plan: p, mon: {morning: [7]}}}}]\n", "a number stands here, a map (key: value)"),
        ("years: {x: {first_day: 2027-02-30, last_day: 2027-05-31}}\n", "'2027-02-30' is not in the calendar"),
        ("bookings: [{date: 2026-11-23, half: noon, periods: [1], room: a}]\n", "'noon' is not one of morning"),
        ("bookings: [{date: 2026-11-23, half: morning, periods: [], room: a}]\n", "needs at least 1"),
        ("windows: [{places: [a], days: [monday], times: [06:00-07:00], profile: p}]\n", "'monday' is not one of mon"),
    ],
    ids=lambda value: None if "\n" in value else value[:30],
)
def test_mistakes_are_told_in_words(text, message):
    assert message in told(text)[0]
