"""A week of a teacher, from the office's list of staff to what she may do: lessons, a substitute, a lost telephone."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import zoneinfo
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from filterd.cli.main import main
from filterd.config import load
from filterd.core import schedule
from filterd.core.access import Action, may
from filterd.errors import Refused
from filterd.store import accounts, audit
from tests import configs
from tests.running import CLASSES, SCHOOL

TIMETABLE = """\
plans:
  early: {morning: [07:00-07:45, 07:50-08:35]}
years:
  2097-2098: {first_day: 2097-09-07, last_day: 2098-05-28}
weeks:
  - classes:
      3a: {plan: early, mon: {morning: [{subject: Tin, teacher: nguyen-thi-ha}, null]}}
      7-3: {plan: early, mon: {morning: [null, {subject: Tin, teacher: nguyen-thi-ha}]}}
"""
STAFF = "họ tên,vai trò,lớp\nNguyễn Thị Hà,giáo viên,9X\nLê Lan,hiệu trưởng,\n"
ZONE = zoneinfo.ZoneInfo("Asia/Ho_Chi_Minh")
MONDAY, TUESDAY = "2098-03-03", "2098-03-04"
Asked = Callable[[str, str], str]


@pytest.fixture
def office(tmp_path: Path) -> Callable[..., str]:
    """Runs `filterd account ...` there, and gives what it prints."""
    configs.write(tmp_path / "config", school=SCHOOL, classes=CLASSES, timetable=TIMETABLE)
    (tmp_path / "staff.csv").write_text(STAFF)
    (tmp_path / "state").mkdir()

    def run(*words: str) -> str:
        flags = ["-c", str(tmp_path / "config"), "--state-dir", str(tmp_path / "state")]
        result = CliRunner().invoke(main, [*words, *flags], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    run("account", "import", str(tmp_path / "staff.csv"))
    return run


@pytest.fixture
def ask(tmp_path: Path, office: Callable[..., str]) -> Asked:
    """What Hà hears when she changes a class at a moment: "done", or the rule that forbids it."""

    def asked(place: str, moment: str) -> str:
        now = datetime.datetime.fromisoformat(moment).replace(tzinfo=ZONE).timestamp()
        timetable = load.load(tmp_path / "config").timetable
        found = accounts.load(tmp_path / "state")
        record = found.find("nguyen-thi-ha")
        assert record is not None
        account = found.account(record.id)
        if account is None:
            return "revoked"
        account = dataclasses.replace(account, must_change=False)  # she chose a password on her first day
        try:
            may(account, Action.CHANGE, place, now, functools.partial(teaches, timetable, now))
        except Refused as refused:
            return refused.rule
        return "done"

    return asked


def teaches(timetable: schedule.Timetable, now: float, teacher: str) -> tuple[str, ...]:
    return schedule.teaching(timetable, teacher, now)


def test_her_classes_are_her_own_and_the_one_she_teaches_until_the_bell(ask: Asked) -> None:
    day = [(moment, [ask(place, f"{MONDAY} {moment}") for place in ("9x", "3a", "7-3")])
           for moment in ("06:59:59", "07:00:00", "07:44:59", "07:50:00", "08:34:59", "08:35:00")]  # fmt: skip
    assert day == [
        ("06:59:59", ["done", "scope", "scope"]),
        ("07:00:00", ["done", "done", "scope"]),
        ("07:44:59", ["done", "done", "scope"]),
        ("07:50:00", ["done", "scope", "done"]),
        ("08:34:59", ["done", "scope", "done"]),
        ("08:35:00", ["done", "scope", "scope"]),
    ]


def test_who_stands_in_has_the_class_that_day_from_midnight_to_midnight(ask: Asked, office: Callable[..., str]) -> None:
    office("account", "grant", "nguyen-thi-ha", "7/3", "--on", TUESDAY)
    assert ask("7-3", f"{MONDAY} 23:59:59") == "scope"
    assert ask("7-3", f"{TUESDAY} 00:00:00") == "done"
    assert ask("7-3", f"{TUESDAY} 23:59:59") == "done"
    assert ask("7-3", "2098-03-05 00:00:00") == "scope"


def test_whoever_leaves_can_do_nothing_from_then_on(ask: Asked, office: Callable[..., str], tmp_path: Path) -> None:
    office("account", "revoke", "nguyen-thi-ha")
    assert ask("9x", f"{MONDAY} 07:00") == "revoked"
    shown = office("audit", "show", "--who", "nguyen-thi-ha")
    assert [line.split()[3:5] for line in shown.splitlines()] == [["account", "add"], ["account", "revoke"]]
    assert "ok: 3 lines" in office("audit", "verify")
    assert audit.head(audit.folder(tmp_path / "state")).sequence == 3
