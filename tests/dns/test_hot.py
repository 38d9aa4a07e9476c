"""The hot selector: hot sockets are served inside it, and the loop misses nothing of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator

import pytest

from filterd.dns.hot import HotSelector


@pytest.fixture
def hot() -> HotSelector:
    return HotSelector()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.setblocking(False)
    with one, two:
        yield one, two


def run(hot: HotSelector, story: object) -> None:
    async def limited() -> None:
        async with asyncio.timeout(10):
            await story()  # type: ignore[operator]

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(hot)) as runner:
        runner.run(limited())


def test_a_hot_socket_is_served_and_timers_still_go_off(hot: HotSelector, pair: tuple[socket.socket, ...]) -> None:
    ours, theirs = pair
    heard: list[bytes] = []

    async def story() -> None:
        hot.add(ours.fileno(), lambda _: heard.append(ours.recv(10)))
        for i in range(5):
            theirs.send(b"%d" % i)
        await asyncio.sleep(0.02)
        hot.remove(ours.fileno())
        theirs.send(b"late")
        await asyncio.sleep(0.02)

    run(hot, story)
    assert heard == [b"0", b"1", b"2", b"3", b"4"]


def test_a_socket_that_is_always_ready_starves_no_timer(hot: HotSelector, pair: tuple[socket.socket, ...]) -> None:
    ours, theirs = pair
    served = []

    async def story() -> None:
        theirs.send(b"x")  # never read, so it stays ready
        hot.add(ours.fileno(), served.append)
        await asyncio.sleep(0.05)
        hot.remove(ours.fileno())

    run(hot, story)
    assert served


def test_work_made_in_a_hot_callback_is_done_at_once_when_it_says_so(
    hot: HotSelector, pair: tuple[socket.socket, ...]
) -> None:
    ours, theirs = pair

    async def story() -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def readable(_: int) -> None:
            ours.recv(10)
            loop.call_soon(done.set_result, None)
            hot.interrupt()

        hot.add(ours.fileno(), readable)
        loop.call_later(0.01, theirs.send, b"x")
        started = loop.time()
        keep = loop.call_later(5, lambda: None)
        await done
        assert loop.time() - started < 1
        keep.cancel()

    run(hot, story)


def test_work_made_at_the_end_of_a_turn_is_done_at_once_too(hot: HotSelector, pair: tuple[socket.socket, ...]) -> None:
    ours, theirs = pair

    async def story() -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def finish() -> None:
            loop.call_soon(done.set_result, None)
            hot.interrupt()

        def readable(_: int) -> None:
            ours.recv(10)
            hot.after(finish)

        hot.add(ours.fileno(), readable)
        loop.call_later(0.01, theirs.send, b"x")
        started = loop.time()
        keep = loop.call_later(5, lambda: None)
        await done
        assert loop.time() - started < 1
        keep.cancel()

    run(hot, story)


def test_what_waits_for_the_end_of_a_turn_comes_after_all_that_could_be_read(
    hot: HotSelector, pair: tuple[socket.socket, ...]
) -> None:
    ours, theirs = pair
    order: list[str] = []

    async def story() -> None:
        def readable(_: int) -> None:
            ours.recv(10)
            order.append("read")
            hot.after(lambda: order.append("after"))

        hot.add(ours.fileno(), readable)
        theirs.send(b"x")
        await asyncio.sleep(0.02)

    run(hot, story)
    assert order == ["read", "after"]


def test_a_callback_that_fails_ends_neither_the_loop_nor_the_next_one(
    hot: HotSelector, pair: tuple[socket.socket, ...], caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = pair
    heard = []

    async def story() -> None:
        def readable(_: int) -> None:
            heard.append(ours.recv(10))
            raise RuntimeError("a bug")

        hot.add(ours.fileno(), readable)
        for _ in range(4):
            theirs.send(b"x")
        hot.after(lambda: 1 // 0)
        await asyncio.sleep(0.05)

    with caplog.at_level(logging.ERROR):
        run(hot, story)
    assert len(heard) == 4
    assert hot.faults == 5
    assert len(caplog.records) == 3, "the 1st, 2nd and 4th are logged"


def test_a_socket_closed_by_another_callback_of_the_same_turn_is_not_called(hot: HotSelector) -> None:
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    called: list[int] = []

    async def story() -> None:
        def readable(fd: int) -> None:
            called.append(fd)
            for ours, _ in pairs:
                hot.remove(ours.fileno())

        for ours, theirs in pairs:
            hot.add(ours.fileno(), readable)
            theirs.send(b"x")
        await asyncio.sleep(0.02)

    run(hot, story)
    for both in pairs:
        for sock in both:
            sock.close()
    assert len(called) == 1


def test_a_closed_socket_leaves_its_number_to_the_next_one(hot: HotSelector) -> None:
    called: list[str] = []

    async def story() -> None:
        for name in ("first", "second"):
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            with ours, theirs:
                fd = ours.fileno()
                hot.add(fd, lambda fd, name=name, ours=ours: called.append(f"{name} {ours.recv(9).decode()}"))  # type: ignore[misc]
                theirs.send(b"heard")
                await asyncio.sleep(0.01)
                theirs.send(b"unheard")
                hot.closing(fd)

    run(hot, story)
    assert called == ["first heard", "second heard"]
