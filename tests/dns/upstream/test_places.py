"""Where exchanges wait: several places at once, and nowhere once they are forgotten."""

from __future__ import annotations

import asyncio

from filterd.core.exchange import Exchange, probe_of
from filterd.dns.hot import HotSelector
from filterd.dns.upstream.places import Place, Worker, enter, forget, places_of
from tests.dns.parts import Parts, run


class Counted(Place):
    def __init__(self) -> None:
        super().__init__()
        self.times_left = 0

    def left(self) -> None:
        self.times_left += 1


def exchange() -> Exchange:
    return probe_of(0, 0.0, b"\7example\0\0\1\0\1")


def test_an_exchange_waits_wherever_it_was_sent() -> None:
    one, first, second = exchange(), Counted(), Counted()
    enter(one, first, b"aa")
    enter(one, second, b"bb")
    assert places_of(one) == [second, first]
    assert (first.exchanges, second.exchanges) == ({b"aa": one}, {b"bb": one})


def test_a_forgotten_exchange_waits_nowhere() -> None:
    one, place = exchange(), Counted()
    enter(one, place, b"aa")
    enter(one, place, b"bb")
    forget(one)
    assert places_of(one) == []
    assert (place.exchanges, place.times_left) == ({}, 2)
    forget(one)
    assert place.times_left == 2


def test_an_id_that_somebody_else_has_by_now_is_left_alone() -> None:
    old, new, place = exchange(), exchange(), Counted()
    enter(old, place, b"aa")
    del place.exchanges[b"aa"]
    enter(new, place, b"aa")
    forget(old)
    assert place.exchanges == {b"aa": new}


def test_ids_are_random_and_free() -> None:
    async def story(parts: Parts) -> None:
        worker = Worker(asyncio.get_running_loop(), HotSelector(), parts.desk)
        place = Place()
        taken = {number.to_bytes(2, "big") for number in range(65536)} - {b"\x12\x34"}
        place.exchanges = dict.fromkeys(taken, exchange())
        assert worker.free_ident(place) == b"\x12\x34"
        assert len({worker.two_random_bytes() for _ in range(1000)}) > 950

    run(story)
