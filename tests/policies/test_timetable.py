"""The timetable that ships: bells of a plausible school, and nothing that changes anything for a school without one."""

from __future__ import annotations

import re
from pathlib import Path

from filterd.config import load
from filterd.core import schedule
from filterd.core.policy import Policy
from tests.policies.shipped import ROOT

TEXT = (ROOT / "policies" / "timetable.yaml").read_text(encoding="utf-8")


def test_it_changes_nothing_for_anybody(policy: Policy) -> None:
    assert not policy.timetable
    assert schedule.next_change(policy.timetable, 1_800_000_000) is None


def test_periods_are_lessons_of_lower_secondary_schools(policy: Policy) -> None:
    (plan,) = policy.timetable.plans
    assert {bell.ends - bell.starts for bell in plan.bells} == {45}
    assert [bell.number for bell in plan.bells] == [1, 2, 3, 4, 5] * 2


def test_its_examples_load_when_they_are_taken_in(tmp_path: Path) -> None:
    """Every line after `#  ` is an example of the section above it."""
    years, _, rest = TEXT.partition("years: {}\n")
    examples = re.findall(r"(?:^#  .*\n)+", rest, re.MULTILINE)
    plain = [re.sub(r"^#", "", example, flags=re.MULTILINE) for example in examples]
    assert len(plain) == 4
    classes = (ROOT / "policies" / "classes.yaml").read_text(encoding="utf-8")
    classes += "  - {id: phong-tin, name: Phòng tin, tier: thcs}\n  - {id: ktx, name: Ký túc xá, tier: thcs}\n"
    sections = zip(("years", "weeks", "bookings", "windows"), plain, strict=True)
    made = years + "".join(f"{key}:\n{text}" for key, text in sections)
    staged = {"timetable.yaml": made.encode(), "classes.yaml": classes.encode()}
    timetable = load.load(ROOT, staged=staged).timetable
    assert timetable and timetable.years and timetable.days and timetable.bookings and timetable.windows
