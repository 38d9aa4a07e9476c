"""A bound on work per second: saved up for two seconds, overdrawn once, then refused until it is earned."""

from __future__ import annotations

from filterd.core.budget import Budget


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
