from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core.upstreams import (
    BUCKETS_S,
    CASE_MISSES,
    CHECK_S,
    FAILURES,
    HEDGE_MAX_S,
    HEDGE_MIN_S,
    HEDGES_SAVED,
    NOBODY,
    OVERTAKEN,
    PROBE_S,
    SILENT_S,
    SPOILT,
    Upstreams,
)

ROUTE = (0, 1, 2, 3, 4)
LATER = 1e9


def fresh(count: int, limit: int = 100) -> Upstreams:
    """Upstreams whose first probes are over."""
    upstreams = Upstreams(count, limit)
    for upstream in upstreams.all:
        upstream.probe_at = LATER
    return upstreams


def route(count: int) -> tuple[int, ...]:
    return ROUTE[:count]


def with_down(count: int, down: set[int]) -> Upstreams:
    upstreams = fresh(count)
    for index in down:
        for _ in range(FAILURES):
            upstreams.failed(index, 0.0)
    return upstreams


@pytest.mark.parametrize(
    ("count", "down", "first"), [(3, set(), 0), (3, {0}, 1), (3, {0, 1}, 2), (3, {0, 1, 2}, None), (0, set(), None)]
)
def test_a_new_question_goes_to_the_first_healthy_upstream(count, down, first):
    assert with_down(count, down).first(route(count)) == first


@pytest.mark.parametrize(
    ("count", "down", "tried", "other"),
    [
        pytest.param(2, set(), [0], 1, id="the next"),
        pytest.param(3, {1}, [0], 2, id="a healthy one before one that is down"),
        pytest.param(2, {1}, [0], 1, id="one that is down rather than none"),
        pytest.param(2, set(), [0, 1], None, id="all were asked"),
        pytest.param(1, set(), [0], None, id="there is but one"),
        pytest.param(0, set(), [], None, id="there is none"),
    ],
)
def test_after_a_bad_answer_another_upstream_is_asked(count, down, tried, other):
    assert with_down(count, down).other(route(count), tried) == other


@pytest.mark.parametrize(
    ("count", "down", "tried", "chosen"),
    [
        pytest.param(1, set(), [0], 0, id="a lone one again: a packet may be lost"),
        pytest.param(2, set(), [0], 1, id="one that was not asked"),
        pytest.param(2, set(), [0, 1], 0, id="the one asked longest ago"),
        pytest.param(3, set(), [0, 1, 2, 0], 1, id="in turn"),
        pytest.param(2, {1}, [0], 0, id="a healthy one again before one that is down"),
        pytest.param(3, {1}, [0, 1], 2, id="the last one that lives, even when another went down meanwhile"),
    ],
)
def test_after_silence_a_healthy_upstream_is_asked(count, down, tried, chosen):
    assert with_down(count, down).after_silence(route(count), tried) == chosen


def test_three_failures_in_a_row_bring_an_upstream_down():
    upstreams = fresh(1)
    for _ in range(FAILURES - 1):
        upstreams.failed(0, 5.0)
    assert not upstreams.all_down(ROUTE[:1])
    upstreams.failed(0, 5.0)
    assert upstreams.all_down(route(len(upstreams.all)))
    assert upstreams.next_probe() == 5.0, "at once: perhaps it lives"


def test_an_answer_between_failures_keeps_an_upstream_up():
    upstreams = fresh(1)
    for _ in range(10):
        upstreams.failed(0, 5.0)
        assert upstreams.answered(0, 0.01, 5.0) is False
    assert not upstreams.all_down(ROUTE[:1])


def test_a_time_out_counts_only_where_nothing_was_heard_since_the_question_was_sent():
    upstreams = fresh(1)
    upstreams.answered(0, 0.01, 5.0)
    for _ in range(100):
        upstreams.failed(0, 5.4, 4.8)
    assert (upstreams.all_down((0,)), upstreams.all[0].timeouts) == (False, 100)
    for _ in range(FAILURES):
        upstreams.failed(0, 5.7, 5.1)
    assert upstreams.all_down(route(len(upstreams.all)))


def test_the_first_answer_brings_an_upstream_back_and_says_so():
    upstreams = with_down(2, {0})
    assert upstreams.answered(0, 0.01, 5.0) is True
    assert upstreams.answered(0, 0.01, 5.0) is False
    assert upstreams.next_probe() == 5.0, "once more, for what a probe finds out beside that"


def test_a_down_upstream_is_probed_once_a_second_for_as_long_as_it_takes():
    upstreams = with_down(3, {0, 2})
    assert upstreams.due_probes(0.0) == [0, 2]
    assert upstreams.due_probes(PROBE_S - 0.1) == []
    assert upstreams.due_probes(PROBE_S) == [0, 2]
    assert upstreams.due_probes(PROBE_S) == []
    upstreams.answered(2, 0.01, 5.0)
    assert upstreams.due_probes(2 * PROBE_S) == [0]
    assert upstreams.due_probes(5.0) == [0, 2]
    assert upstreams.due_probes(6.0) == [0]


def test_further_failures_of_a_down_upstream_do_not_put_its_probe_off():
    upstreams = with_down(1, {0})
    assert upstreams.due_probes(0.0) == [0]
    upstreams.failed(0, 0.9)
    assert upstreams.next_probe() == PROBE_S


def test_errors_are_counted_and_do_not_bring_an_upstream_down():
    upstreams = fresh(1)
    for _ in range(10):
        upstreams.spoilt(0, 0.0)
    assert (upstreams.all[0].errors, upstreams.all_down((0,))) == (10, False)


def test_what_nobody_did_is_not_noted():
    upstreams = fresh(1)
    upstreams.failed(NOBODY, 0.0)
    upstreams.spoilt(NOBODY, 0.0)
    upstreams.overtaken(NOBODY, 0.0, 1.0)
    upstreams.kept_case(NOBODY, False)
    upstreams.settled([NOBODY])
    assert upstreams.answered(NOBODY, 0.1, 5.0) is False
    assert (upstreams.all[0].timeouts, upstreams.all[0].errors, upstreams.all[0].answers) == (0, 0, 0)


def test_without_upstreams_all_are_down_and_none_is_probed():
    upstreams = fresh(0)
    assert upstreams.all_down(route(len(upstreams.all)))
    assert upstreams.next_probe() is None


@pytest.mark.parametrize(
    ("elapsed_s", "bucket"),
    [(0.0, 0), (0.001, 0), (0.0011, 1), (0.05, 5), (2.5, len(BUCKETS_S) - 1), (2.6, len(BUCKETS_S))],
)
def test_latency_is_counted_in_the_bucket_that_holds_it(elapsed_s, bucket):
    upstreams = fresh(1)
    upstreams.answered(0, elapsed_s, 5.0)
    assert upstreams.all[0].buckets.index(1) == bucket
    assert upstreams.all[0].latency_sum_s == elapsed_s


@given(st.integers(1, 5), st.sets(st.integers(0, 4)), st.lists(st.integers(0, 4), max_size=4))
def test_every_choice_is_an_upstream_that_exists(count, down, tried):
    upstreams = with_down(count, {d for d in down if d < count})
    tried = [t for t in tried if t < count]
    everywhere = route(count)
    first = upstreams.first(everywhere)
    assert upstreams.all_down(everywhere) if first is None else not upstreams.all[first].down
    other = upstreams.other(everywhere, tried)
    assert other is None or (0 <= other < count and other not in tried)
    again = upstreams.after_silence(everywhere, tried)
    assert upstreams.all_down(everywhere) if again is None else not upstreams.all[again].down


def test_every_upstream_is_probed_at_the_start_and_then_once_a_minute():
    upstreams = Upstreams(2, 100)
    assert upstreams.due_probes(1.0) == [0, 1]
    assert upstreams.due_probes(CHECK_S) == []
    assert upstreams.due_probes(1.0 + CHECK_S) == [0, 1]


def test_many_errors_make_a_suspect_that_is_asked_until_a_probe_says_it_is_not_well():
    upstreams = fresh(1)
    for _ in range(SPOILT):
        upstreams.spoilt(0, 5.0)
    assert (upstreams.due_probes(5.0), upstreams.all_down((0,))) == ([0], False)
    upstreams.spoilt(0, 5.1, probe=True)
    assert upstreams.all_down((0,))
    assert upstreams.due_probes(6.1) == [0]


def test_a_suspect_whose_probe_is_answered_is_well():
    upstreams = fresh(1)
    for _ in range(SPOILT):
        upstreams.spoilt(0, 5.0)
    upstreams.answered(0, 0.01, 5.1)
    upstreams.spoilt(0, 5.2, probe=True)
    assert not upstreams.all_down((0,))


def test_an_upstream_that_is_overtaken_again_and_again_is_down_before_any_time_out():
    upstreams = fresh(2)
    for n in range(OVERTAKEN):
        upstreams.overtaken(0, 5.0 + n * 0.01, 5.05 + n * 0.01)
    assert not upstreams.all_down((0,)), "it may only be slow"
    upstreams.overtaken(0, 5.28, 5.01 + SILENT_S)
    assert upstreams.all_down((0,))


def test_an_upstream_that_answers_now_and_then_is_not_down_for_being_overtaken():
    upstreams = fresh(2)
    for n in range(100):
        upstreams.overtaken(0, float(n), n + SILENT_S + 0.01)
        upstreams.answered(0, 0.01, n + SILENT_S + 0.1)
    assert not upstreams.all_down((0,))


def test_the_delay_before_a_second_upstream_is_asked_follows_the_slowest_twentieth():
    upstreams = fresh(1)
    assert upstreams.hedge_after_s(0) == HEDGE_MIN_S
    for n in range(4000):
        upstreams.answered(0, 0.1 if n % 10 == 0 else 0.001, 5.0)
    assert upstreams.hedge_after_s(0) == pytest.approx(0.1, rel=0.4), "a tenth of the answers took that long"
    for _ in range(100):
        upstreams.answered(0, 2.0, 5.0)
    assert upstreams.hedge_after_s(0) == HEDGE_MAX_S


def test_a_second_upstream_is_asked_for_a_tenth_of_the_questions_and_those_saved_up():
    upstreams = fresh(2)
    hedged = sum(upstreams.hedge((0, 1), [0]) is not None for _ in range(2000))
    assert hedged == HEDGES_SAVED
    for _ in range(1000):
        upstreams.earn_hedge()
    assert sum(upstreams.hedge((0, 1), [0]) is not None for _ in range(2000)) == pytest.approx(100, abs=1)


def test_no_second_upstream_is_one_that_is_down_or_was_asked():
    assert with_down(2, {1}).hedge((0, 1), [0]) is None
    assert fresh(1).hedge((0,), [0]) is None


def test_an_upstream_for_which_too_many_wait_gets_no_more():
    upstreams = fresh(2, limit=3)
    upstreams.all[0].in_flight = 3
    assert upstreams.first((0, 1)) == 1
    assert upstreams.first((0,)) is None
    upstreams.settled([0])
    assert upstreams.first((0,)) == 0


def test_a_looping_upstream_is_asked_nothing_but_probes():
    upstreams = fresh(2)
    upstreams.all[0].looping = True
    assert upstreams.first((0, 1)) == 1
    assert upstreams.other((0, 1), [1]) is None
    assert upstreams.after_silence((0,), [0]) is None
    upstreams.all[0].probe_at = 5.0
    assert upstreams.due_probes(5.0) == [0]
    assert upstreams.due_probes(5.0 + PROBE_S) == [0]


def test_an_upstream_that_changes_the_case_of_names_three_times_in_a_row_is_no_longer_trusted_with_it():
    upstreams = fresh(1)
    upstreams.all[0].keeps_case = True
    for kept in [False] * (CASE_MISSES - 1) + [True] + [False] * (CASE_MISSES - 1):
        upstreams.kept_case(0, kept)
    assert upstreams.all[0].keeps_case
    upstreams.kept_case(0, False)
    assert not upstreams.all[0].keeps_case
