"""A bound on work per second: saved up for two seconds, overdrawn once, then refused until it is earned."""

from __future__ import annotations

from filterd.core.budget import Bucket, Budget


def test_two_seconds_worth_can_be_spent_at_once():
    budget = Budget(100)
    assert [budget.affords(100, 5.0) for _ in range(4)] == [True, True, True, False]
    assert budget.refused == 1


def test_what_was_overdrawn_is_earned_first():
    budget = Budget(100)
    assert budget.affords(500, 5.0)
    assert not budget.affords(1, 7.9)
    assert budget.affords(1, 8.1)


def test_a_clock_that_steps_back_earns_nothing():
    budget = Budget(100)
    assert budget.affords(250, 5.0)
    assert not budget.affords(1, 4.0)


def test_a_bucket_earns_with_time_and_holds_a_burst() -> None:
    bucket = Bucket(0.0, 100.0)
    assert bucket.fill(100.25, 10, 100) == 2.5
    assert bucket.fill(100.5, 10, 100) == 5.0
    assert bucket.fill(1000.0, 10, 100) == 100.0
    assert bucket.fill(1000.0, 10, 50) == 50.0, "a lower limit holds at once"


def test_fractions_are_not_lost_however_often_it_is_looked_at() -> None:
    bucket = Bucket(0.0, 0.0)
    for i in range(1, 1001):
        bucket.fill(i / 1000, 10, 100)
    assert abs(bucket.saved - 10) < 1e-6
