from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core.upstreams import BUCKETS_S, FAILURES, NOBODY, PROBE_S, Upstreams


def with_down(count: int, down: set[int]) -> Upstreams:
    upstreams = Upstreams(count)
    for index in down:
        for _ in range(FAILURES):
            upstreams.failed(index, 0.0)
    return upstreams


@pytest.mark.parametrize(
    ("count", "down", "first"), [(3, set(), 0), (3, {0}, 1), (3, {0, 1}, 2), (3, {0, 1, 2}, None), (0, set(), None)]
)
def test_a_new_question_goes_to_the_first_healthy_upstream(count, down, first):
    assert with_down(count, down).first() == first


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
    assert with_down(count, down).other(tried) == other


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
    assert with_down(count, down).after_silence(tried) == chosen


def test_three_failures_in_a_row_bring_an_upstream_down():
    upstreams = Upstreams(1)
    for _ in range(FAILURES - 1):
        upstreams.failed(0, 5.0)
    assert not upstreams.all_down
    upstreams.failed(0, 5.0)
    assert upstreams.all_down
    assert upstreams.next_probe() == 5.0, "at once: perhaps it lives"


def test_an_answer_between_failures_keeps_an_upstream_up():
    upstreams = Upstreams(1)
    for _ in range(10):
        upstreams.failed(0, 5.0)
        assert upstreams.answered(0, 0.01, 5.0) is False
    assert not upstreams.all_down


def test_a_time_out_counts_only_where_nothing_was_heard_since_the_question_was_sent():
    upstreams = Upstreams(1)
    upstreams.answered(0, 0.01, 5.0)
    for _ in range(100):
        upstreams.failed(0, 5.4, 4.8)
    assert (upstreams.all_down, upstreams.all[0].timeouts) == (False, 100)
    for _ in range(FAILURES):
        upstreams.failed(0, 5.7, 5.1)
    assert upstreams.all_down


def test_the_first_answer_brings_an_upstream_back_and_says_so():
    upstreams = with_down(2, {0})
    assert upstreams.answered(0, 0.01, 5.0) is True
    assert upstreams.answered(0, 0.01, 5.0) is False
    assert upstreams.next_probe() is None


def test_a_down_upstream_is_probed_once_a_second_for_as_long_as_it_takes():
    upstreams = with_down(3, {0, 2})
    assert upstreams.due_probes(0.0) == [0, 2]
    assert upstreams.due_probes(PROBE_S - 0.1) == []
    assert upstreams.due_probes(PROBE_S) == [0, 2]
    assert upstreams.due_probes(PROBE_S) == []
    upstreams.answered(2, 0.01, 5.0)
    assert upstreams.due_probes(2 * PROBE_S) == [0]


def test_further_failures_of_a_down_upstream_do_not_put_its_probe_off():
    upstreams = with_down(1, {0})
    assert upstreams.due_probes(0.0) == [0]
    upstreams.failed(0, 0.9)
    assert upstreams.next_probe() == PROBE_S


def test_errors_are_counted_and_do_not_bring_an_upstream_down():
    upstreams = Upstreams(1)
    for _ in range(10):
        upstreams.spoilt(0)
    assert (upstreams.all[0].errors, upstreams.all_down) == (10, False)


def test_what_nobody_did_is_not_noted():
    upstreams = Upstreams(1)
    upstreams.failed(NOBODY, 0.0)
    upstreams.spoilt(NOBODY)
    assert upstreams.answered(NOBODY, 0.1, 5.0) is False
    assert (upstreams.all[0].timeouts, upstreams.all[0].errors, upstreams.all[0].answers) == (0, 0, 0)


def test_without_upstreams_all_are_down_and_none_is_probed():
    upstreams = Upstreams(0)
    assert upstreams.all_down
    assert upstreams.next_probe() is None


@pytest.mark.parametrize(
    ("elapsed_s", "bucket"),
    [(0.0, 0), (0.001, 0), (0.0011, 1), (0.05, 5), (2.5, len(BUCKETS_S) - 1), (2.6, len(BUCKETS_S))],
)
def test_latency_is_counted_in_the_bucket_that_holds_it(elapsed_s, bucket):
    upstreams = Upstreams(1)
    upstreams.answered(0, elapsed_s, 5.0)
    assert upstreams.all[0].buckets.index(1) == bucket
    assert upstreams.all[0].latency_sum_s == elapsed_s


@given(st.integers(1, 5), st.sets(st.integers(0, 4)), st.lists(st.integers(0, 4), max_size=4))
def test_every_choice_is_an_upstream_that_exists(count, down, tried):
    upstreams = with_down(count, {d for d in down if d < count})
    tried = [t for t in tried if t < count]
    first = upstreams.first()
    assert upstreams.all_down if first is None else not upstreams.all[first].down
    other = upstreams.other(tried)
    assert other is None or (0 <= other < count and other not in tried)
    if not upstreams.all_down:
        assert not upstreams.all[upstreams.after_silence(tried)].down
