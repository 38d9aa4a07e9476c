"""Sockets to upstreams: what is carried, from which port, and that none is left behind."""

from __future__ import annotations

import dataclasses
import errno
import socket
from typing import Any

import pytest

from filterd.core import policy
from filterd.dns.batch import Bundle
from filterd.dns.upstream import Upstreams
from filterd.dns.upstream import udp as module
from tests import schools
from tests.dns.parts import Parts, run, until
from tests.dns.upstream.asking import Listener, ask
from tests.running import free_port
from tests.upstreams import Question, Upstream, honest, silent


def _now(parts: Parts) -> float:
    return parts.loop.time()


def flights(upstreams: Upstreams) -> list[module.Flight]:
    """Every open UDP socket, those of upstreams that are no longer configured among them."""
    carriers = [carrier.udp for carrier in upstreams._carriers if carrier.udp] + upstreams._retired
    return [flight for udp in carriers for flight in udp.flights.values()]


def fds(upstreams: Upstreams) -> int:
    return len(flights(upstreams))


@pytest.mark.parametrize("source_ports", ["fresh", "pool"])
def test_questions_come_back_to_who_asked_and_ids_are_random(source_ports: str) -> None:
    policy = dataclasses.replace(schools.POLICY, source_ports=source_ports)

    async def story(parts: Parts) -> None:
        listener = Listener()
        for i in range(40):
            ask(parts, listener, f"n{i}", i.to_bytes(2, "big"))
        await until(lambda: len(listener.replies) == 40)
        assert sorted(reply[:2] for reply in listener.replies) == [i.to_bytes(2, "big") for i in range(40)]
        assert len({question.packet[:2] for question in server.questions}) > 35
        wanted = {0} if source_ports == "fresh" else set(range(1, module.POOL + 1))
        await until(lambda: fds(parts.upstreams) in wanted)

    with Upstream() as server:
        run(story, policy, (server.url,))


def test_a_pool_renews_its_ports_and_leaves_none_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POOL", 2)
    monkeypatch.setattr(module, "POOL_USES", 3)

    async def story(parts: Parts) -> None:
        listener = Listener()
        seen = set()
        for i in range(60):
            ask(parts, listener, f"n{i}")
            seen |= {flight.socket.getsockname()[1] for flight in flights(parts.upstreams)}
            await until(lambda i=i: len(listener.replies) == i + 1)
            assert fds(parts.upstreams) <= 2
        assert len(seen) > 10

    with Upstream() as server:
        run(story, dataclasses.replace(schools.POLICY, source_ports="pool"), (server.url,))


def test_given_up_questions_are_forgotten() -> None:
    async def story(parts: Parts) -> None:
        listener = Listener()
        for i in range(5):
            ask(parts, listener, f"n{i}")
        await until(lambda: len(listener.replies) == 5)
        assert all(reply[3] & 15 == 2 for reply in listener.replies)
        parts.upstreams.sweep()
        waiting = [e for flight in flights(parts.upstreams) for e in flight.exchanges.values()]
        assert not [exchange for exchange in waiting if exchange.key]
        assert fds(parts.upstreams) <= 1, "a probe's"

    with Upstream(silent) as server:
        run(story, dataclasses.replace(schools.POLICY, source_ports="fresh"), (server.url,))


@pytest.mark.parametrize("source_ports", ["fresh", "pool"])
def test_a_closed_port_is_noticed_at_once(source_ports: str) -> None:
    async def story(parts: Parts) -> None:
        listener = Listener()
        started = _now(parts)
        ask(parts, listener, "n")
        await until(lambda: listener.replies)
        assert _now(parts) - started < 0.5

    policy = dataclasses.replace(schools.POLICY, source_ports=source_ports)
    run(story, policy, (f"udp://127.0.0.1:{free_port()}",))


def test_an_unreachable_network_is_as_good_as_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(parts: Parts) -> None:
        def nowhere(_: Any) -> Any:
            raise OSError("Network is unreachable")

        monkeypatch.setattr(module.UdpCarrier, "_open", nowhere)
        listener = Listener()
        ask(parts, listener, "n")
        await until(lambda: listener.replies)
        assert listener.replies[0][3] & 15 == 2

    run(story, upstreams=("udp://127.0.0.1:1", "udp://127.0.0.1:2"))


@pytest.mark.parametrize("source_ports", ["pool", "fresh"])
def test_a_want_of_sockets_costs_questions_and_brings_no_upstream_down(
    source_ports: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(parts: Parts) -> None:
        listener = Listener()
        with monkeypatch.context() as patch:
            patch.setattr(module.UdpCarrier, "_open", exhausted)
            for i in range(10):
                ask(parts, listener, f"new{i}.example")
            await until(lambda: len(listener.replies) == 10)
        assert {reply[3] & 15 for reply in listener.replies} == {2}
        assert not parts.forwarder.upstreams.all[0].down
        ask(parts, listener, "later.example")
        await until(lambda: len(listener.replies) == 11)
        assert listener.replies[-1][3] & 15 == 0

    def exhausted(_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with Upstream() as upstream:
        run(story, dataclasses.replace(schools.POLICY, source_ports=source_ports), (upstream.url,))


def test_a_truncated_answer_is_fetched_whole_over_tcp() -> None:
    def script(question: Question) -> list[bytes]:
        end = 12 + len(question.name) + 2 + 4
        if question.transport == "udp":
            return [question.packet[:2] + b"\x83\x80\0\1\0\0\0\0\0\0" + question.packet[12:end]]
        record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4"
        return [question.packet[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question.packet[12:end] + record]

    async def story(parts: Parts) -> None:
        listener = Listener()
        ask(parts, listener, "large")
        await until(lambda: listener.replies)
        assert listener.replies[0].endswith(b"\1\2\3\4")
        questions = server.asked("large.example.org")
        assert [question.transport for question in questions] == ["udp", "tcp"]
        assert len({question.packet[:2] for question in questions}) == 2, "another random id"

    with Upstream(script) as server:
        run(story, upstreams=(server.url,))


@pytest.mark.parametrize("source_ports", ["fresh", "pool"])
def test_after_a_bad_answer_over_tcp_another_upstream_is_asked_and_heard(source_ports: str) -> None:
    def script(question: Question) -> list[bytes]:
        end = 12 + len(question.name) + 2 + 4
        flags = b"\x83\x80" if question.transport == "udp" else b"\x81\x82"  # truncated; SERVFAIL
        return [question.packet[:2] + flags + b"\0\1\0\0\0\0\0\0" + question.packet[12:end]]

    async def story(parts: Parts) -> None:
        listener = Listener()
        ask(parts, listener, "n")
        await until(lambda: listener.replies)
        assert listener.replies[0][3] & 15 == 0

    with Upstream(script) as bad, Upstream() as good:
        run(story, dataclasses.replace(schools.POLICY, source_ports=source_ports), (bad.url, good.url))


def test_other_upstreams_are_used_from_the_next_question_on() -> None:
    async def story(parts: Parts) -> None:
        listener = Listener()
        ask(parts, listener, "one")
        await until(lambda: len(listener.replies) == 1)
        parts.upstreams.configure((policy.Upstream(new.url),), "pool")
        parts.forwarder.use_upstreams(schools.plan(1))
        ask(parts, listener, "two")
        await until(lambda: len(listener.replies) == 2)
        assert [len(old.asked("one.example.org")), len(new.asked("two.example.org"))] == [1, 1]
        assert fds(parts.upstreams) == 1

    with Upstream() as old, Upstream() as new:
        run(story, upstreams=(old.url,))


@pytest.mark.parametrize("sent", [True, False], ids=["sent already", "about to be sent"])
def test_what_waited_for_the_old_upstreams_is_asked_again(sent: bool) -> None:
    async def story(parts: Parts) -> None:
        listener = Listener()
        ask(parts, listener, "one")
        if sent:
            await until(lambda: old.asked("one.example.org"))
        parts.upstreams.configure((policy.Upstream(new.url),), "pool")
        parts.forwarder.use_upstreams(schools.plan(1))
        await until(lambda: listener.replies)
        assert listener.replies[0][3] & 15 == 0
        assert bool(old.asked("one.example.org")) is sent
        assert fds(parts.upstreams) == 1, "none to the old one is left open"

    with Upstream(silent) as old, Upstream() as new:
        run(story, upstreams=(old.url,))


@pytest.mark.parametrize("source_ports", ["fresh", "pool"])
def test_an_upstream_that_is_slower_than_one_attempt_is_still_heard(source_ports: str) -> None:
    async def story(parts: Parts) -> None:
        listener = Listener()
        ask(parts, listener, "slow")
        await until(lambda: len(server.asked("slow.example.org")) == 2)
        del server._waiting[1:]  # only the first packet will ever be answered
        server.release("slow.example.org")
        await until(lambda: len(listener.replies) == 1)
        assert listener.replies[0][3] & 15 == 0
        assert sum(len(flight.exchanges) for flight in flights(parts.upstreams)) == 0

    with Upstream() as server:
        server.held.add("slow.example.org")
        run(story, dataclasses.replace(schools.POLICY, source_ports=source_ports), (server.url,))


@pytest.mark.parametrize("source_ports", ["fresh", "pool"])
def test_a_second_upstream_that_refuses_does_not_cost_the_answer_of_the_first(source_ports: str) -> None:
    async def story(parts: Parts) -> None:
        schools.no_probes(parts.forwarder)
        listener = Listener()
        ask(parts, listener, "slow")
        started = _now(parts)
        await until(lambda: parts.forwarder.upstreams.all[1].timeouts)
        server.release("slow.example.org")
        await until(lambda: listener.replies)
        assert (listener.good, _now(parts) - started < 0.5) == (1, True)

    with Upstream() as server:
        server.held.add("slow.example.org")
        servers = (server.url, f"udp://127.0.0.1:{free_port()}")
        run(story, dataclasses.replace(schools.POLICY, source_ports=source_ports), servers)


def test_who_was_asked_in_place_of_one_that_went_away_is_heard_and_not_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POOL", 1)

    async def story(parts: Parts) -> None:
        listener = Listener()
        ask(parts, listener, "slow")
        await until(lambda: second.asked("slow.example.org"))
        first.close()
        ask(parts, listener, "other")  # by the same socket: both hear that nobody listens there
        await until(lambda: listener.replies)
        second.release("slow.example.org")
        await until(lambda: len(listener.replies) == 2)
        assert (listener.good, parts.forwarder.upstreams.all[1].timeouts) == (2, 0)
        assert len(second.asked("slow.example.org")) == 1

    with Upstream(silent) as first, Upstream() as second:
        second.held.add("slow.example.org")
        run(story, dataclasses.replace(schools.POLICY, source_ports="pool"), (first.url, second.url))


@pytest.mark.parametrize(("error", "held"), [(errno.EAGAIN, False), (errno.ECONNREFUSED, True)])
def test_a_full_buffer_of_our_own_is_not_held_against_the_upstream(error: int, held: bool) -> None:
    class Failing(Bundle):
        def send(self, sock: socket.socket) -> int:
            super().send(sock)
            return error

    async def story(parts: Parts) -> None:
        parts.upstreams._buffers.bundle = Failing()
        listener = Listener()
        ask(parts, listener, "name")
        await until(lambda: len(listener.replies) == 1)
        assert bool(parts.forwarder.upstreams.all[0].timeouts) is held

    with Upstream() as server:
        run(story, dataclasses.replace(schools.POLICY, source_ports="pool"), (server.url,))


def test_guesses_at_a_fresh_socket_make_the_question_go_over_tcp() -> None:
    """Wrong ids at the right socket: somebody tries all of them (RFC 5452 section 4.3)."""

    def script(question: Question) -> list[bytes]:
        (right,) = honest(question)
        if question.transport == "tcp" or not question.name:
            return [right]
        return [bytes((right[0] ^ 255, guess)) + right[2:] for guess in range(3)]

    async def story(parts: Parts) -> None:
        listener = Listener()
        ask(parts, listener, "guessed")
        await until(lambda: listener.replies)
        assert listener.replies[0][3] & 15 == 0
        assert [question.transport for question in server.asked("guessed.example.org")] == ["udp", "tcp"]

    with Upstream(script) as server:
        run(story, dataclasses.replace(schools.POLICY, source_ports="fresh"), (server.url,))


def test_guesses_at_a_pooled_socket_give_up_its_port_and_all_that_waits_there_goes_over_tcp(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "POOL", 1)

    def script(question: Question) -> list[bytes]:
        (right,) = honest(question)
        if question.transport == "tcp":
            return [right]
        if question.name == "guessed.example.org":
            return [bytes((right[0] ^ 255, guess)) + right[2:] for guess in range(module.POOL_STRAYS)]
        return []

    async def story(parts: Parts) -> None:
        listener = Listener()
        ask(parts, listener, "waits")
        await until(lambda: server.asked("waits.example.org"))
        (before,) = flights(parts.upstreams)
        ask(parts, listener, "guessed")
        await until(lambda: len(listener.replies) == 2)
        assert {reply[3] & 15 for reply in listener.replies} == {0}
        assert before not in flights(parts.upstreams) or not before.kept

    with Upstream(script) as server:
        run(story, dataclasses.replace(schools.POLICY, source_ports="pool"), (server.url,))
