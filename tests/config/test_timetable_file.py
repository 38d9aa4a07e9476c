import datetime

import pytest

from filterd.config import yamltree
from filterd.config.schema_timetable import LessonModel, Timetable
from filterd.config.timetable_csv import Entry
from filterd.config.timetable_file import Kept, replaced, week
from filterd.core.timetable import Bell, Plan

BELLS = (*(Bell("morning", i, 400 + 50 * i, 445 + 50 * i) for i in (1, 2, 3)), Bell("afternoon", 1, 800, 845))
PLAN = Plan("p", BELLS)
KEPT = {"6a": Kept(PLAN), "7-3": Kept(PLAN, "phong-1")}
SECTION = "weeks:\n  - classes:\n"


def entry(classroom: str = "6a", weekday: str = "mon", bell: int = 0, subject: str = "Toán", **more: str) -> Entry:
    said = {"teacher": None, "room": None, "profile": None, **more}
    return Entry(2, classroom, weekday, bell, subject, **said)


def read(text: str) -> Timetable:
    tree, wrong = yamltree.read(text.encode(), "timetable.yaml")
    assert not wrong
    return Timetable.model_validate(tree.value)


def test_a_week_says_what_the_lessons_say():
    text = week(
        [entry(bell=1), entry(bell=3, subject=""), entry("7-3", "sat", subject="Tin", room="lab", teacher="ha")], KEPT
    )
    assert text == (
        'weeks:\n  - classes:\n      6a:\n        plan: "p"\n        mon:\n'
        '          morning: [null, "Toán"]\n          afternoon: [{}]\n'
        '      7-3:\n        plan: "p"\n        room: "phong-1"\n        sat:\n'
        '          morning: [{subject: "Tin", room: "lab", teacher: "ha"}]\n'
    )
    (found,) = read(text).weeks
    assert found.classes["6a"].mon is not None
    assert found.classes["6a"].mon.morning == [None, LessonModel(subject="Toán")]


@pytest.mark.parametrize("subject", ["no", "7", "null", "a: b", '"', "#", "- x", "{}", "Thể dục\\", "🏀", "'"])
def test_any_subject_is_written_so_that_it_is_read_again(subject):
    held = read(week([entry(subject=subject)], KEPT)).weeks[0].classes["6a"].mon
    assert held is not None
    assert held.morning == [LessonModel(subject=subject)]


def test_days_of_the_week_are_written():
    first, last = datetime.date(2026, 9, 7), datetime.date(2027, 1, 17)
    for days in ((first, None), (None, last), (first, last)):
        found = read(week([entry()], KEPT, *days)).weeks[0]
        assert (days[0] or datetime.date(2020, 1, 1), days[1] or datetime.date(2099, 12, 31)) == (
            found.first_day,
            found.last_day,
        )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("plans: {}\nweeks: []\n# rooms\nx: 1\n", f"plans: {{}}\n{SECTION}# rooms\nx: 1\n", id="empty"),
        pytest.param("weeks:\n  - classes:\n    # old\n      7a: {}\n\nx: 1\n", SECTION + "\nx: 1\n", id="old lessons"),
        pytest.param("weeks:\n- classes:\n    7a: {}\nx: 1\n", SECTION + "x: 1\n", id="a list at the margin"),
        pytest.param("weeks: []\n#  - example\n", SECTION + "#  - example\n", id="at the end"),
        pytest.param("plans: {}", "plans: {}\n" + SECTION, id="none, and no line end"),
        pytest.param("plans: {}\n", "plans: {}\n" + SECTION, id="none"),
        pytest.param("", SECTION, id="nothing at all"),
        pytest.param('"weeks": []\n', SECTION, id="in quotes"),
        pytest.param("x:\n  weeks: 1\n", "x:\n  weeks: 1\n" + SECTION, id="another key of that name"),
    ],
)  # fmt: skip
def test_only_the_weeks_of_a_file_are_replaced(before, after):
    assert replaced(before, SECTION) == after
