"""The channel carries whole JSON values, in order, whatever pieces the bytes come in."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from filterd.dns import channel
from filterd.dns.channel import Channel, encode, receive_one


def test_a_blocking_reader_gets_one_message_and_leaves_the_rest() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(encode({"n": 1}) + encode({"n": 2}))
        assert receive_one(ours) == {"n": 1}
        assert receive_one(ours) == {"n": 2}


def test_a_blocking_reader_learns_that_the_other_end_is_gone() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(b'{"half":')
        theirs.close()
        assert receive_one(ours) is None


@pytest.fixture
def told() -> tuple[list[dict[str, Any]], list[bool]]:
    return [], []


@pytest.mark.parametrize("size", [1, 3, 7, 1000], ids=lambda n: f"pieces of {n}")
def test_messages_arrive_whole_and_in_order(told: tuple[list[dict[str, Any]], list[bool]], size: int) -> None:
    messages, _ = told
    data = b"".join(encode({"n": n, "text": "tiếng Việt"}) for n in range(5))
    end = Channel(messages.append, lambda: None)
    for at in range(0, len(data), size):
        end.data_received(data[at : at + size])
    assert [message["n"] for message in messages] == list(range(5))
    assert messages[0]["text"] == "tiếng Việt"


def test_both_ends_talk_and_each_hears_of_the_end_once(told: tuple[list[dict[str, Any]], list[bool]]) -> None:
    messages, closed = told

    async def story() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        done = loop.create_future()
        one = Channel(messages.append, lambda: closed.append(True))
        two = Channel(lambda message: two.send({"echo": message}), lambda: done.set_result(None))
        await loop.create_connection(lambda: one, sock=ours)
        await loop.create_connection(lambda: two, sock=theirs)
        one.send({"n": 1})
        while not messages:
            await asyncio.sleep(0.001)
        one.close()
        await done
        one.send({"n": 2})

    asyncio.run(story())
    assert messages == [{"echo": {"n": 1}}]
    assert closed == [True]


def test_a_line_without_end_closes_the_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "MAX_LINE_BYTES", 100)
    closed = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with theirs:
            end = Channel(lambda _: None, lambda: closed.append(True))
            await loop.create_connection(lambda: end, sock=ours)
            theirs.sendall(b"x" * 200)
            while not closed:
                await asyncio.sleep(0.001)

    asyncio.run(story())
    assert closed == [True]
