"""The commands, on a configuration that loads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from filterd.cli.main import main
from filterd.config import load
from tests import configs

CLASSES = """\
classrooms:
  - {id: 6a, name: 6A, tier: thcs, profile: video}
  - {id: 7a, name: 7A, tier: thcs}
rooms:
  - {id: lab, name: Phòng tin, tier: tieu-hoc, subnets: [10.9.1.0/24]}
"""
TIMETABLE = """\
# our bells
plans:
  p: {morning: [07:00-07:45, 07:50-08:35], afternoon: [13:00-13:45]}
years:
  y:
    first_day: 2026-09-07
    last_day: 2027-05-28
    holidays: [{name: Tết, first_day: 2027-02-03, last_day: 2027-02-12}]
    make_up: [{date: 2026-11-28, runs: mon}]
weeks:
  - classes:
      6a:
        plan: p
        mon: {morning: [{subject: Tin, room: lab, teacher: ha}, {subject: Tin, room: lab}]}
# afterwards
bookings: []
"""
HEAD = "lớp,thứ,buổi,tiết,môn,phòng\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return configs.write(tmp_path / "config", classes=CLASSES, timetable=TIMETABLE, names="allow: []\n")


def run(config: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["timetable", words[0], "-c", str(config), *words[1:]])


def text(config: Path) -> str:
    return (config / "policies" / "timetable.yaml").read_text(encoding="utf-8")


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return tmp_path / "tkb.csv"


def test_a_room_in_a_lesson(config: Path) -> None:
    assert run(config, "show", "lab", "--at", "2026-11-23 07:10").stdout == (
        "Phòng tin (lab), Monday 2026-11-23 07:10\n\n"
        "  period    morning 1\n  class     6a\n  tier      thcs\n  profile   video\n  until     07:45\n\n"
        "  2026-11-23: the lessons of a Monday\n"
        "  07:00-07:45  morning 1     Tin, 6a, ha\n"
        "  07:50-08:35  morning 2     Tin, 6a\n"
    )


def test_a_class_by_its_name_after_school(config: Path) -> None:
    shown = run(config, "show", "6A", "--at", "2026-11-23 09:00").stdout
    assert "period    -\n" in shown and "class  " not in shown
    assert "until     2026-11-28 07:00\n" in shown


@pytest.mark.parametrize(
    ("at", "line"),
    [
        ("2026-11-28 07:10", "2026-11-28: the lessons of a Monday\n"),
        ("2026-11-24 07:10", "2026-11-24: the lessons of a Tuesday, none here\n"),
        ("2027-02-08 07:10", "2027-02-08: no school (Tết)\n"),
        ("2027-06-07 07:10", "2027-06-07: no school\n"),
    ],
    ids=["make-up", "another-day", "holiday", "summer"],
)
def test_the_day_says_what_it_runs(config: Path, at: str, line: str) -> None:
    assert line in run(config, "show", "lab", "--at", at).stdout


def test_for_programs(config: Path) -> None:
    found = json.loads(run(config, "show", "phong tin", "--at", "2026-11-23 07:10", "--json").stdout)
    assert (found["place"], found["classroom"], found["until"] - found["at"]) == ("lab", "6a", 35 * 60)
    assert [lesson["period"] for lesson in found["lessons"]] == ["morning 1", "morning 2"]


def test_an_unknown_place_is_told(config: Path) -> None:
    result = run(config, "show", "labb")
    assert result.exit_code == 2
    assert "'labb' is not a class or room; did you mean 'lab'?" in result.stderr


def test_a_week_is_imported_and_the_rest_of_the_file_stays(config: Path, csv: Path) -> None:
    csv.write_text(HEAD + "7A,2,sáng,2,Tin,Phòng tin\n6A,3,chiều,1,Toán,\n", encoding="utf-8")
    result = run(config, "import", str(csv), "--from", "2026-11-02")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == (
        "2 lessons of 2 classes, 1 rooms, in policies/timetable.yaml\nA running server takes it within a second.\n"
    )
    before, _, after = text(config).partition("weeks:\n")
    assert TIMETABLE.startswith(before) and after.endswith("# afterwards\nbookings: []\n")
    shown = run(config, "show", "lab", "--at", "2026-11-23 08:00").stdout
    assert "class     7a\n" in shown


def test_classes_without_a_lesson_are_told(config: Path, csv: Path) -> None:
    csv.write_text(HEAD + "7A,2,sáng,2,Tin,\n", encoding="utf-8")
    assert "without a lesson: 6a\n" in run(config, "import", str(csv)).stdout


def test_bad_lines_are_all_told_and_nothing_is_written(config: Path, csv: Path) -> None:
    csv.write_text(HEAD + "7A,2,sáng,2,Tin,lap\n7B,2,sáng,2,Tin,\n6A,2,sáng,1,Tin,\n", encoding="utf-8")
    result = run(config, "import", str(csv))
    assert result.exit_code == 2
    assert "tkb.csv:2: 'lap' is not a room; did you mean 'lab'?" in result.stderr
    assert "tkb.csv:3: '7B' is not a class" in result.stderr
    assert text(config) == TIMETABLE


def test_what_does_not_load_with_the_rest_is_not_written(config: Path, csv: Path) -> None:
    booked = (
        "bookings: [{date: 2026-11-23, half: morning, periods: [1], room: lab, classroom: 7a, instead_of: 6a, plan: p}]"
    )
    configs.change(config, "policies/timetable.yaml", "bookings: []", booked)
    csv.write_text(HEAD + "7A,3,sáng,2,Tin,\n", encoding="utf-8")
    before = text(config)
    result = run(config, "import", str(csv))
    assert result.exit_code == 2
    assert "'6a' is not in lab then" in result.stderr
    assert text(config) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--plan", "pp"), "--plan: 'pp' is not a plan; did you mean 'p'?"),
        (("--from", "2026-13-01"), "--from: '2026-13-01' is not in the calendar"),
        (("--until", "soon"), "--until: 'soon' is not a date"),
        (("--from", "2026-12-01", "--until", "2026-11-01"), "2026-11-01 is before the first day, 2026-12-01"),
    ],
)
def test_bad_options_are_told(config: Path, csv: Path, words: tuple[str, ...], message: str) -> None:
    csv.write_text(HEAD + "7A,2,sáng,2,Tin,\n", encoding="utf-8")
    result = run(config, "import", str(csv), *words)
    assert (result.exit_code, text(config)) == (2, TIMETABLE)
    assert message in result.stderr


def test_without_bells_there_is_nothing_to_import_to(tmp_path: Path, csv: Path) -> None:
    config = configs.write(tmp_path / "config")
    csv.write_text(HEAD + "7/3,2,sáng,2,Tin,\n", encoding="utf-8")
    result = run(config, "import", str(csv))
    assert "policies/timetable.yaml: has no plans; write the bells first" in result.stderr
    assert not (config / "policies" / "timetable.yaml").exists()


def test_a_class_keeps_its_bells_and_its_room(config: Path, csv: Path) -> None:
    more = "  q: {morning: [08:00-08:45]}\nyears:"
    configs.change(config, "policies/timetable.yaml", "years:", more)
    configs.change(config, "policies/timetable.yaml", "        plan: p\n", "        plan: q\n        room: lab\n")
    configs.change(
        config,
        "policies/timetable.yaml",
        "        mon: {morning: [{subject: Tin, room: lab, teacher: ha}, {subject: Tin, room: lab}]}\n",
        "",
    )
    csv.write_text(HEAD + "6A,2,sáng,1,Tin,\n7A,2,sáng,1,Tin,\n", encoding="utf-8")
    assert "tkb.csv:3: the bells of 7a are not known; say which with --plan" in run(config, "import", str(csv)).stderr
    assert run(config, "import", str(csv), "--plan", "p").exit_code == 0
    classes = {c.classroom: c for c in load.load(config).timetable.weeks[0].classes}
    assert [(c.plan, c.room) for c in classes.values()] == [("q", "lab"), ("p", None)]


def test_the_shipped_file_takes_a_week(tmp_path: Path, csv: Path) -> None:
    config = tmp_path / "config"
    assert CliRunner().invoke(main, ["init", str(config)]).exit_code == 0
    before = text(config)
    csv.write_text(HEAD + "7A,2,sáng,1,Toán,\n", encoding="utf-8")
    assert run(config, "import", str(csv)).exit_code == 0
    assert [line for line in before.splitlines() if line not in text(config).splitlines()] == ["weeks: []"]
