"""What people write when they ask for something for a while: names, services, and moments on the school's clock."""

from __future__ import annotations

import datetime
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from filterd.config.requests import moment, rules_of, shown, shown_from
from filterd.core.policy import Rules
from filterd.errors import Refused
from tests.core.timetables import TIMETABLE
from tests.schools import POLICY

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
NOW = datetime.datetime(2026, 11, 23, 9, 10, tzinfo=ZONE).timestamp()


def local(text: str) -> int:
    return int(datetime.datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=ZONE).timestamp())


@pytest.mark.parametrize(
    ("words", "rules"),
    [
        (("youtube",), Rules(services=("youtube",))),
        (("YouTube", "olm", "youtube"), Rules(services=("youtube", "olm"))),
        (("Trường.vn", "=a.example"), Rules(names=("xn--trng-rib8295b.vn", "=a.example"))),
        (("olm", "a.example"), Rules(services=("olm",), names=("a.example",))),
    ],
)
def test_services_are_ids_and_everything_with_a_dot_is_a_name(words: tuple[str, ...], rules: Rules) -> None:
    assert rules_of(POLICY, words) == rules


@pytest.mark.parametrize(
    ("words", "rule", "says"),
    [
        (("yutube",), "unknown", "did you mean 'youtube'"),
        (("zzz",), "unknown", "no name of a site"),
        ((), "unknown", "no service and no name"),
        (("com.vn",), "name", "public suffix"),
        (("https://a.example/x",), "name", "a.example"),
        (("a b.example",), "name", ""),
        (("..",), "name", ""),
        (("=",), "name", ""),
    ],
)
def test_anything_else_is_refused_with_what_would_do(words: tuple[str, ...], rule: str, says: str) -> None:
    with pytest.raises(Refused) as caught:
        rules_of(POLICY, words)
    assert caught.value.rule == rule
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("lasting", "until", "wanted"),
    [
        ("45m", None, "2026-11-23 09:55"),
        ("2h", None, "2026-11-23 11:10"),
        (None, "10:15", "2026-11-23 10:15"),
        (None, "9:30", "2026-11-23 09:30"),
        (None, "10h15", "2026-11-23 10:15"),
        (None, "11h", "2026-11-23 11:00"),
        (None, "2026-11-24 07:00", "2026-11-24 07:00"),
        (None, "24/11/2026 07:00", "2026-11-24 07:00"),
        (None, "end-of-day", "2026-11-24 00:00"),
        (None, "hết ngày", "2026-11-24 00:00"),
    ],
)
def test_moments_are_those_of_the_schools_clock(lasting: str | None, until: str | None, wanted: str) -> None:
    assert moment(POLICY, ("7-3",), lasting, until, NOW) == local(wanted)


@pytest.mark.parametrize(
    ("lasting", "until", "rule", "says"),
    [
        (None, None, "time", "--for 45m"),
        ("45m", "10:15", "time", "either for or until"),
        ("45", None, "time", "such as 15m"),
        ("-5m", None, "time", "not a duration"),
        ("0m", None, "past", "0m has passed"),
        ("999d", None, "time", "more than a year"),
        ("999999999d", None, "time", "more than a year"),
        (None, "09:10", "past", "it is 2026-11-23 09:10"),
        (None, "08:00", "past", "08:00 has passed"),
        (None, "2020-01-01 10:00", "past", "has passed"),
        (None, "25:00", "time", "is not a time"),
        (None, "10:75", "time", "is not a time"),
        (None, "30/02/2027 10:00", "time", "is not a time"),
        (None, "9999-12-31 23:59", "time", "more than a year"),
        (None, "end-of-period", "timetable", "no period that is now"),
        (None, "tiết 3 chiều", "timetable", "write 10:15"),
        (None, "tomorrow", "timetable", "write 10:15"),
        (None, "x" * 500, "timetable", "write 10:15"),
    ],
)
def test_absurd_moments_are_refused_with_what_would_do(
    lasting: str | None, until: str | None, rule: str, says: str
) -> None:
    with pytest.raises(Refused) as caught:
        moment(POLICY, ("7-3",), lasting, until, NOW)
    assert caught.value.rule == rule
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("places", "at", "until", "wanted"),
    [
        (("7-3",), "2026-11-23 07:10", "end-of-period", "2026-11-23 07:45"),
        (("7-3",), "2026-11-23 07:10", "hết tiết", "2026-11-23 07:45"),
        (("7-3",), "2026-11-23 07:10", "tiết 3 sáng", "2026-11-23 09:40"),
        (("7-3",), "2026-11-23 07:10", "period 2 afternoon", "2026-11-23 14:35"),
        (("3a", "7-3", "staff-room"), "2026-11-23 09:00", "end-of-period", "2026-11-23 09:40"),
        (("7-3",), "2026-11-23 07:10", "end-of-day", "2026-11-23 14:35"),
        (("7-3",), "2026-11-23 20:00", "end-of-day", "2026-11-24 00:00"),
    ],
)
def test_points_of_the_timetable_are_those_of_the_class(
    places: tuple[str, ...], at: str, until: str, wanted: str
) -> None:
    policy = replace(POLICY, timetable=TIMETABLE)
    assert moment(policy, places, None, until, local(at)) == local(wanted)


@pytest.mark.parametrize(
    ("at", "until", "says"),
    [
        ("2026-11-23 12:00", "end-of-period", "no period that is now"),
        ("2026-11-23 12:00", "tiết 3 sáng", "that period is over, at 09:40"),
        ("2026-11-23 07:10", "tiết 5 chiều", "there is morning 1 to 3, afternoon 1 to 2"),
    ],
)
def test_what_the_timetable_does_not_know_is_refused(at: str, until: str, says: str) -> None:
    with pytest.raises(Refused) as caught:
        moment(replace(POLICY, timetable=TIMETABLE), ("7-3",), None, until, local(at))
    assert caught.value.rule == "timetable"
    assert says in str(caught.value)


def test_moments_are_shown_short() -> None:
    assert shown(POLICY, NOW) == "2026-11-23 09:10"
    assert shown_from(POLICY, NOW + 2700, NOW) == "09:55 (in 45 min)"
    assert shown_from(POLICY, NOW + 86400, NOW) == "2026-11-24 09:10 (in 24 h)"
