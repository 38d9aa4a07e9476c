"""Both caches hold no more than they say. What an entry really takes is measured, so the constants cannot rot."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterd.core import wire
from filterd.core.cache import AnswerCache, Memo
from filterd.core.exchange import UDP
from tests.schools import OPT, address, alias, question, reply, soa

ENTRIES = 11_000  # just over where a dict doubles: the worst share of it for each entry
LIMIT = 1 << 40


def answer(number: int, shape: str) -> tuple[bytes, wire.Answer]:
    asked = question(f"w{number}.some-school-site.example.com")
    answers, authorities = {
        "address": ([address()], []),
        "thirty addresses": ([address()] * 30, []),
        "alias": ([alias(f"d{number}.edge.some-cdn-network.net"), address()], []),
        "long alias": ([alias(f"d{number}." + ".".join(["x" * 40] * 4)), address()], []),
        "negative": ([], [soa()]),
    }[shape]
    return asked + b"\0", wire.read_answer(reply(asked, answers, authorities), 12 + len(asked))


def grown(fill: Callable[[], object]) -> int:
    """Bytes that `fill` leaves allocated."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = fill()
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        del kept
    finally:
        tracemalloc.stop()
    return after - before


# -- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["address", "thirty addresses", "alias", "long alias", "negative"])
def test_an_answer_takes_no_more_than_its_estimate(shape):
    cache = AnswerCache(LIMIT)
    count = ENTRIES if shape == "address" else ENTRIES // 4

    def fill() -> None:
        for number in range(count):
            key, found = answer(number, shape)
            cache.put(key, found, 1.0 + number, 60.5 + number)

    taken = grown(fill)
    assert len(cache) == count
    assert taken <= cache.size_bytes * 1.1
    assert cache.size_bytes <= taken * 1.6, "so careful an estimate wastes what the cache may use"


def test_a_cache_that_turns_over_takes_no_more_than_its_limit():
    cache = AnswerCache(2 << 20)

    def fill() -> None:
        for number in range(ENTRIES):
            key, found = answer(number, "address")
            cache.put(key, found, 1.0 + number, 60.5 + number)

    assert grown(fill) <= (2 << 20) * 1.1
    assert 2000 < len(cache) < 4500


A_KEY, AN_ANSWER = answer(0, "address")
ONE = 800  # no answer of this shape takes more


def test_an_answer_is_found_until_it_is_pushed_out_least_recently_used_first():
    cache = AnswerCache(16 * ONE)
    for number in range(4):
        cache.put(bytes([number]), AN_ANSWER, 0.0, 60)
    fit = cache.limit_bytes * 4 // cache.size_bytes
    for number in range(4, fit):
        cache.put(bytes([number]), AN_ANSWER, 0.0, 60)
    assert len(cache) == fit
    assert cache.get(b"\0") is not None
    cache.put(b"new", AN_ANSWER, 0.0, 60)
    assert cache.get(b"\1") is None
    assert cache.get(b"\0") is not None


def test_an_expired_answer_stays_for_bad_days():
    cache = AnswerCache(LIMIT)
    cache.put(A_KEY, AN_ANSWER, 100.0, 60)
    entry = cache.get(A_KEY)
    assert entry is not None
    assert (entry.answer, entry.stored, entry.expires) == (AN_ANSWER, 100.0, 160.0)


def test_a_newer_answer_takes_the_place_of_the_old():
    cache = AnswerCache(LIMIT)
    cache.put(A_KEY, answer(0, "thirty addresses")[1], 0.0, 60)
    cache.put(A_KEY, AN_ANSWER, 1.0, 60)
    alone = AnswerCache(LIMIT)
    alone.put(A_KEY, AN_ANSWER, 1.0, 60)
    assert (len(cache), cache.size_bytes) == (1, alone.size_bytes)


def test_one_answer_cannot_push_out_all_others():
    cache = AnswerCache(20_000)
    cache.put(b"small", AN_ANSWER, 0.0, 60)
    huge = wire.Answer(0, (1, 0, 0), bytes(2000), (6,), 300, (), False)
    cache.put(b"huge", huge, 0.0, 60)
    assert (cache.get(b"huge"), len(cache)) == (None, 1)


def test_a_smaller_limit_holds_from_the_next_answer_on():
    cache = AnswerCache(LIMIT)
    for number in range(100):
        cache.put(bytes([number]), AN_ANSWER, 0.0, 60)
    cache.limit_bytes = 20 * ONE
    cache.put(b"new", AN_ANSWER, 0.0, 60)
    assert cache.size_bytes <= 20 * ONE
    assert cache.get(b"new") is not None


def test_a_zone_is_dropped_with_all_below_it_and_nothing_else():
    cache = AnswerCache(LIMIT)
    names = [b"\2pc\6school\0", b"\6school\0", b"\6school\3org\0"]
    for name in names:
        cache.put(name + b"\0\1\0\1\0", AN_ANSWER, 0.0, 60)
    size_bytes = cache.size_bytes
    cache.drop((b"\6school\0",))
    assert [cache.get(name + b"\0\1\0\1\0") is not None for name in names] == [False, False, True]
    assert (len(cache), 0 < cache.size_bytes < size_bytes) == (1, True)


# -- replies ----------------------------------------------------------------------------------------------------------


def packet(number: int) -> bytes:
    return b"id" + bytes(10) + question(f"w{number}.some-school-site.example.com") + OPT


@pytest.mark.parametrize("size", [60, 400])
def test_a_remembered_reply_takes_no_more_than_its_estimate(size):
    memo, cell = Memo(LIMIT), [0]

    def fill() -> None:
        for number in range(ENTRIES):
            memo.put(0, UDP, packet(number), 1.5 + number, bytes(size), cell)

    taken = grown(fill)
    assert taken <= memo.size_bytes * 1.1
    assert memo.size_bytes <= taken * 1.6


def test_a_memo_that_turns_over_takes_no_more_than_its_limit():
    memo, cell = Memo(2 << 20), [0]

    def fill() -> None:
        for number in range(ENTRIES):
            memo.put(number % 5, UDP, packet(number), 1.5 + number, bytes(100), cell)

    assert grown(fill) <= (2 << 20) * 1.1
    assert memo.size_bytes <= 2 << 20


def test_a_reply_is_found_by_row_and_transport_and_packet_without_its_id():
    memo, cell = Memo(LIMIT), [0]
    memo.put(3, UDP, b"id" + b"question", 50.0, b"id" + b"reply", cell)
    assert memo.young(3, UDP) == {b"question": (50.0, b"reply", cell)}
    assert memo.young(4, UDP) == {}
    assert memo.young(3, "tcp") == {}


def test_a_shell_may_keep_the_young_replies_for_as_long_as_the_memo_lives():
    memo = Memo(4000)
    kept = memo.young(0, UDP)
    for number in range(100):
        memo.put(0, UDP, packet(number), 50.0, b"reply", [0])
        assert memo.young(0, UDP) is kept
        assert packet(number)[2:] in kept


def filled() -> Memo:
    """A memo whose replies to packets 0 to 4 have just become old."""
    memo = Memo(1 << 13)
    number = 0
    while memo.young(0, UDP) or number == 0:
        memo.put(0, UDP, packet(number), 50.0, b"id%d" % number, [0])
        number += 1
        if number > 5 and len(memo.young(0, UDP)) == 1:
            return memo
    return memo


def test_an_old_reply_that_is_asked_for_is_young_again():
    memo = filled()
    assert packet(0)[2:] not in memo.young(0, UDP)
    assert memo.recall(0, UDP, packet(0), 49.0) == (50.0, b"0", [0])
    assert packet(0)[2:] in memo.young(0, UDP)
    assert memo.recall(0, UDP, packet(0), 49.0) is None


@pytest.mark.parametrize(
    ("row", "number", "now"), [(0, 0, 50.0), (0, 99, 1.0), (1, 0, 1.0)], ids=["expired", "never seen", "another row's"]
)
def test_an_old_reply_is_not_recalled_when(row, number, now):
    assert filled().recall(row, UDP, packet(number), now) is None


def test_a_longer_reply_in_the_place_of_a_shorter_is_counted():
    memo, cell = Memo(LIMIT), [0]
    memo.put(0, UDP, packet(0), 1.0, bytes(50), cell)
    before = memo.size_bytes
    memo.put(0, UDP, packet(0), 2.0, bytes(250), cell)
    assert memo.size_bytes == before + 200
    memo.put(0, UDP, packet(0), 3.0, bytes(50), cell)
    assert memo.size_bytes == before


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2), st.integers(2, 500), st.booleans()), max_size=120))
def test_a_memo_never_grows_over_its_limit_and_forgets_nothing_it_has_just_been_told(steps):
    memo = Memo(6000)
    for now, (number, row, size, ask) in enumerate(steps):
        if ask:
            memo.recall(row, UDP, packet(number), float(now))
        else:
            memo.put(row, UDP, packet(number), now + 9.0, bytes(size), [0])
            assert memo.young(row, UDP)[packet(number)[2:]][1] == bytes(size - 2)
        assert memo.size_bytes <= 6000 + 1000  # one reply more than half in each generation
