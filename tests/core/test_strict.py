"""Without a right clock, overrides that close are kept and those that open are ignored."""

from __future__ import annotations

import pytest

from filterd.core.overrides import Override, Overrides
from filterd.core.policy import Rules
from filterd.core.strict import SLACK_S, saved_time, while_time_is_unknown
from tests import schools
from tests.schools import NOW, POLICY

YOUTUBE = Rules(services=("youtube",))
UNTIL = int(NOW) + 600


def strict(*items: Override, at_least: float = 0.0) -> Overrides:
    return while_time_is_unknown(Overrides(items, 7, "ab"), POLICY, at_least)


@pytest.mark.parametrize(
    ("override", "kept"),
    [
        (Override("3a", UNTIL, allow=YOUTUBE), False),
        (Override("3a", UNTIL, block=YOUTUBE), True),
        (Override("3a", UNTIL, profile="exam"), True),
        (Override("3a", UNTIL, profile="free"), False),
        (Override("3a", UNTIL, profile="video"), False),
        (Override("7-3", UNTIL, profile="learning"), True),
        (Override("7-3", UNTIL, profile="free"), False),
        (Override("9b", UNTIL, profile="learning"), False),
        (Override("3a", UNTIL, profile="gone"), False),
    ],
    ids=[
        "opens a service", "closes a service", "an exam", "opens a category", "opens a service by profile",
        "less than its own profile", "other than its own", "out of its exam", "a profile that is no more",
    ],
)  # fmt: skip
def test_what_closes_is_kept_and_what_opens_is_not(override: Override, kept: bool) -> None:
    assert bool(strict(override).items) is kept


@pytest.mark.parametrize("now", [0.0, 1_000.0, NOW, NOW + 10**6], ids=["1970", "later", "now", "after its end"])
def test_what_closes_holds_whatever_the_clock_says(now: float) -> None:
    found = strict(Override("3a", UNTIL, int(NOW), block=YOUTUBE))
    assert found.of("3a", now)
    assert found.next_change(now) in (None, 1 << 40)


def test_of_an_override_that_does_both_the_closing_half_is_kept() -> None:
    (kept,) = strict(Override("3a", UNTIL, profile="free", allow=Rules(names=("a.vn",)), block=YOUTUBE)).items
    assert (kept.profile, kept.allow, kept.block) == (None, Rules(), YOUTUBE)


def test_what_ended_before_the_earliest_moment_that_can_be_now_has_ended() -> None:
    assert not strict(Override("3a", UNTIL, block=YOUTUBE), at_least=UNTIL).items
    assert strict(Override("3a", UNTIL, block=YOUTUBE), at_least=UNTIL - 1).items


def test_sequence_and_chain_stay() -> None:
    found = strict()
    assert (found.sequence, found.chain) == (7, "ab")


def test_nothing_is_open_that_would_not_be_open_otherwise() -> None:
    items = (Override("3a", UNTIL, profile="exam"), Override("3a", UNTIL, allow=YOUTUBE))
    found = schools.snapshot(overrides=strict(*items).items, now=5.0)
    row = schools.row(found, "3a")
    assert row.allow_list_only
    assert row.profile == "exam"


def test_the_time_was_at_least_when_somebody_last_set_something() -> None:
    assert saved_time(Overrides((Override("3a", UNTIL, 500), Override("3a", UNTIL, 400)))) == 500 - SLACK_S
    assert saved_time(Overrides()) < 0
