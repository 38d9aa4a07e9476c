"""Failed questions: how long they rest, and what ends it."""

from __future__ import annotations

from filterd.core.failures import FIRST_S, MAX_FAILURES, MAX_S, Failures


def test_a_question_rests_twice_as_long_each_time_up_to_a_bound():
    failures, now, pause_s = Failures(), 100.0, FIRST_S
    for _ in range(8):
        failures.note(b"k", now)
        assert failures.holds(b"k", now + pause_s - 0.01)
        assert not failures.holds(b"k", now + pause_s + 0.01)
        now, pause_s = now + pause_s + 0.01, min(pause_s * 2, MAX_S)


def test_after_a_long_time_it_begins_anew():
    failures = Failures()
    for now in (0.0, 2.0, 5.0):
        failures.note(b"k", now)
    failures.note(b"k", 100.0)
    assert not failures.holds(b"k", 100.0 + FIRST_S)


def test_an_answer_forgets_it_and_no_other():
    failures = Failures()
    failures.note(b"k", 0.0)
    failures.note(b"other", 0.0)
    failures.forget(b"k")
    assert (failures.holds(b"k", 0.1), failures.holds(b"other", 0.1)) == (False, True)


def test_there_are_never_more_than_so_many():
    failures = Failures()
    for n in range(2 * MAX_FAILURES + 5):
        failures.note(b"%d" % n, 0.0)
    assert len(failures) <= MAX_FAILURES
