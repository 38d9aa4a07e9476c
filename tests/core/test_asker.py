"""Which upstream is asked for what, when a second one, when none: routes, hedging, probes, case, failures, prefetch."""

from __future__ import annotations

import dataclasses
import os

import pytest

from filterd.core import loops
from filterd.core.asker import ATTEMPT_S, MAX_STRAYS
from filterd.core.budget import Budget
from filterd.core.exchange import Exchange
from filterd.core.failures import FIRST_S, MAX_S
from filterd.core.policy import Route, Upstream
from filterd.core.servers import plan
from filterd.core.upstreams import CHECK_S, HEDGE_MIN_S, PROBE_S
from tests import schools
from tests.core.story import Story, ede, parsed, rcode, ttls
from tests.schools import POLICY, address, query, reply, soa

SECRET = b"k" * 16
INSIDE = Upstream("udp://10.0.0.5")
ROUTED = dataclasses.replace(POLICY, routes=(Route("truong.lan", (INSIDE,)), Route("10.in-addr.arpa", (INSIDE,))))


def routed() -> Story:
    story = Story(ROUTED)
    story.forwarder.use_upstreams(plan(ROUTED))
    schools.no_probes(story.forwarder)
    return story


def mixing(upstreams: int = 1) -> Story:
    """Upstreams that keep the case of names and are asked in random case."""
    story = Story()
    found = schools.plan(upstreams)
    story.forwarder.use_upstreams(dataclasses.replace(found, mixed=(True,) * upstreams))
    schools.no_probes(story.forwarder)
    for upstream in story.forwarder.upstreams.all:
        upstream.keeps_case = True
    return story


# -- routes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "upstream"),
    [
        ("example.org", 0),
        ("truong.lan", 2),
        ("a.b.truong.lan", 2),
        ("khac-truong.lan", 0),
        ("1.0.0.10.in-addr.arpa", 2),
    ],
)
def test_a_zone_with_its_own_upstream_is_asked_there(name, upstream):
    assert routed().ask(query(name)).upstream == upstream


def test_a_zone_without_its_own_upstream_stays_special():
    assert rcode(routed().ask(query("1.1.168.192.in-addr.arpa"))) == "NXDOMAIN"


def test_what_others_said_of_a_zone_is_forgotten_when_it_gets_servers_of_its_own():
    story = Story()
    story.cached(query("pc1.truong.lan"), rcode=3, authorities=[soa()])
    story.cached(query("example.org"), address())
    story.forwarder.use_upstreams(plan(ROUTED))
    assert story.ask(query("pc1.truong.lan")).upstream == 2
    assert isinstance(story.ask(query("example.org")), bytes)
    story.cached(query("pc2.truong.lan"), address())
    story.forwarder.use_upstreams(plan(ROUTED))
    assert isinstance(story.ask(query("pc2.truong.lan")), bytes), "the same servers as before"


def test_a_zones_question_never_goes_to_the_upstreams_of_all_others():
    story = routed()
    exchange = story.ask(query("truong.lan"))
    assert {e.upstream for e in [exchange, *story.passes(5.0)] if e.key} == {2}
    assert rcode(story.heard["client"][0]) == "SERVFAIL"


def test_a_dead_zone_does_not_take_the_places_of_other_questions():
    policy = dataclasses.replace(ROUTED, limits=dataclasses.replace(ROUTED.limits, pending=8))
    story = Story(policy)
    story.forwarder.use_upstreams(plan(policy))
    asked = [story.ask(query(f"n{n}.truong.lan")) for n in range(8)]
    assert sum(isinstance(outcome, Exchange) for outcome in asked) == 4
    assert isinstance(story.ask(query("example.org")), Exchange)


# -- a second upstream ------------------------------------------------------------------------------------------------


def test_a_slow_upstream_is_given_a_second_and_the_first_answer_counts():
    story = Story()
    exchange = story.ask(query())
    assert [e.upstream for e in story.passes(HEDGE_MIN_S + 0.001)] == [1]
    story.answer(exchange, reply(exchange.question, [address()]))
    assert (story.forwarder.hedged, len(story.heard["client"]), story.forwarder.pending) == (1, 1, 0)


def test_the_answer_of_the_slow_one_is_as_welcome():
    story = Story()
    exchange = story.ask(query())
    story.passes(HEDGE_MIN_S + 0.001)
    story.take(story.forwarder.response(exchange, reply(exchange.question, [address()]), story.now, 0))
    assert rcode(story.heard["client"][0]) == "NOERROR"


def test_an_error_of_the_second_does_not_end_what_the_first_may_still_answer():
    story = Story()
    exchange = story.ask(query())
    story.passes(HEDGE_MIN_S + 0.001)
    assert story.answer(exchange, reply(exchange.question, rcode=2)) == []
    story.take(story.forwarder.response(exchange, reply(exchange.question, [address()]), story.now, 0))
    assert rcode(story.heard["client"][0]) == "NOERROR"


def test_the_second_is_not_blamed_for_the_time_the_first_took():
    story = Story()
    exchange = story.ask(query())
    story.passes(HEDGE_MIN_S + 0.003)
    story.answer(exchange, reply(exchange.question, [address()]))
    assert story.forwarder.upstreams.all[1].latency_sum_s == pytest.approx(0.003)


def test_when_both_fail_the_client_hears_at_once_whichever_was_first():
    for first, second in ((0, 1), (1, 0)):
        story = Story()
        exchange = story.ask(query())
        story.passes(HEDGE_MIN_S + 0.001)
        for index in (first, second):
            story.take(story.forwarder.response(exchange, reply(exchange.question, rcode=2), story.now, index))
        assert rcode(story.heard["client"][0]) == "SERVFAIL"


def test_one_slow_zone_delays_nobody_elses_second_question():
    story = Story(ROUTED, upstreams=4)
    found = plan(dataclasses.replace(ROUTED, routes=(Route("truong.lan", (INSIDE, Upstream("udp://10.0.0.6"))),)))
    story.forwarder.use_upstreams(found)
    schools.no_probes(story.forwarder)
    story.forwarder.upstreams.all[2].slow_s = 0.3
    story.ask(query("truong.lan"))
    exchange = story.ask(query("www.example.org"))
    assert story.passes(HEDGE_MIN_S + 0.001) == [exchange]


def test_a_lone_upstream_is_not_asked_twice_for_being_slow():
    story = Story(upstreams=1)
    story.ask(query())
    assert story.passes(ATTEMPT_S - 0.01) == []


def test_never_more_than_three_packets_for_a_question():
    story = Story(upstreams=5)
    story.ask(query())
    assert len([e for e in story.passes(10.0) if e.key]) == 2
    assert rcode(story.heard["client"][0]) == "SERVFAIL"


def test_a_dead_upstream_is_found_out_by_the_second_before_any_time_out():
    story = Story()
    for n in range(40):
        exchange = story.ask(query(f"n{n}.example"), who=n)
        story.passes(0.03)
        if exchange.upstream == 1:
            story.answer(exchange, reply(exchange.question, [address()]))
    assert story.forwarder.upstreams.all[0].down
    assert story.ask(query("after.example")).upstream == 1
    assert {rcode(packets[0]) for packets in story.heard.values()} == {"NOERROR"}


# -- probes -----------------------------------------------------------------------------------------------------------


def started(upstreams: int = 1) -> tuple[Story, list[Exchange]]:
    """A story that begins with the first probes."""
    story = Story(upstreams=upstreams)
    story.forwarder.use_secrets((SECRET,))
    story.forwarder.use_upstreams(schools.plan(upstreams))
    return story, story.forwarder.tick(story.now)[1]


def test_every_upstream_is_probed_at_the_start_and_every_minute():
    story, probes = started(2)
    assert [probe.upstream for probe in probes] == [0, 1]
    for probe in probes:
        story.answer(probe, reply(probe.question, rcode=3))
    assert story.passes(CHECK_S - 1) == []
    assert len(story.passes(1.1)) == 2


def test_a_probe_that_comes_back_to_us_shows_a_loop():
    story, (probe,) = started()
    ours = story.ask(b"\7\7" + probe.packet[2:])
    story.answer(probe, b"\0\0" + ours[2:])
    assert story.forwarder.loops == 1
    heard = story.ask(query())
    assert (rcode(heard), ede(heard)) == ("SERVFAIL", [22])


def test_a_loop_that_is_mended_is_found_out_within_a_second():
    story, (probe,) = started()
    story.answer(probe, b"\0\0" + story.ask(b"\7\7" + probe.packet[2:])[2:])
    (probe,) = story.passes(PROBE_S + 0.1)
    story.answer(probe, reply(probe.question, rcode=3))
    assert isinstance(story.ask(query()), Exchange)


def test_nobody_can_make_an_upstream_look_like_a_loop():
    story, (probe,) = started()
    story.answer(probe, reply(probe.question, [address(0, os.urandom(4))]))
    assert isinstance(story.ask(query()), Exchange)


def test_the_probe_of_another_box_travels_on():
    story, _ = started()
    asked = loops.question(b"another secret..", bytes(8))
    assert isinstance(story.ask(b"\1\1\1\0\0\1\0\0\0\0\0\0" + asked), Exchange)


@pytest.mark.parametrize("silent", [True, False], ids=["silence", "SERVFAIL"])
def test_an_upstream_that_cannot_answer_our_own_name_comes_back_all_the_same(silent):
    story = Story()
    story.outage()
    for _ in range(22):
        for probe in story.passes(PROBE_S / 10):
            if probe.question == b"\0\0\6\0\1":
                story.answer(probe, reply(probe.question))
            elif not silent:
                story.answer(probe, reply(probe.question, rcode=2))
    assert isinstance(story.ask(query()), Exchange)
    assert story.forwarder.upstreams.all[0].keeps_case is not silent, "the root has no case"


def test_the_server_of_a_zone_is_probed_with_that_zone_and_any_answer_will_do():
    story = routed()
    story.forwarder.upstreams.all[2].probe_at = story.now
    (probe,) = story.forwarder.tick(story.now)[1]
    assert probe.question.lower() == schools.question("truong.lan", 6)
    assert probe.question != probe.question.lower()
    for _ in range(3):
        story.forwarder.upstreams.failed(2, story.now)
    story.answer(probe, reply(probe.question, rcode=5))
    assert isinstance(story.ask(query("truong.lan")), Exchange)


def test_dead_names_of_one_pupil_do_not_close_the_internet_to_all():
    story = Story(upstreams=1)
    for n in range(200):
        exchange = story.ask(query(f"dead{n}.example"), who=n)
        assert isinstance(exchange, Exchange), "the upstream is still asked"
        story.answer(exchange, reply(exchange.question, rcode=2))
        for probe in story.forwarder.tick(story.now)[1]:
            story.answer(probe, reply(probe.question, rcode=3))
        story.passes(0.01)
    assert isinstance(story.ask(query("alive.example")), Exchange)


def test_an_upstream_that_answers_everything_with_an_error_is_left_for_the_next():
    story = Story()
    for n in range(40):
        exchange = story.ask(query(f"n{n}.example"), who=n)
        while isinstance(exchange, Exchange):
            bad = exchange.upstream == 0
            outcome = story.answer(exchange, reply(exchange.question, [] if bad else [address()], rcode=2 * bad))
            exchange = outcome if isinstance(outcome, Exchange) else None
        for probe in story.forwarder.tick(story.now)[1]:
            story.answer(probe, reply(probe.question, rcode=2))
    assert story.forwarder.upstreams.all[0].down
    assert {rcode(packets[0]) for packets in story.heard.values()} == {"NOERROR"}


# -- random case ------------------------------------------------------------------------------------------------------


def test_a_probe_finds_out_who_keeps_the_case_of_a_name():
    for lowered, keeps in ((False, True), (True, False)):
        story, (probe,) = started()
        assert probe.question != probe.question.lower()
        echoed = probe.question.lower() if lowered else probe.question
        story.answer(probe, reply(echoed, rcode=3))
        assert story.forwarder.upstreams.all[0].keeps_case is keeps


def test_types_have_no_case():
    story = mixing()
    exchange = story.ask(query("www.a-rather-long-name-to-mix.example", 0x41))
    other = exchange.question[:-4] + b"\0\x61\0\1"
    assert story.answer(exchange, reply(other, [address()])) is None


def test_names_go_out_in_random_case_and_come_back_as_they_were_asked():
    story = mixing()
    asked = query("www.a-rather-long-name-to-mix.example")
    exchange = story.ask(asked)
    assert exchange.question != exchange.question.lower()
    assert exchange.question in exchange.packet
    ((_, heard),) = story.answer(exchange, reply(exchange.question, [address()]))
    assert heard[12 : 12 + len(exchange.question)] == exchange.question.lower()


def test_an_answer_in_another_case_is_asked_for_again_over_tcp_and_not_believed():
    story = mixing()
    exchange = story.ask(query("www.a-rather-long-name-to-mix.example"))
    again = story.answer(exchange, reply(exchange.question.lower(), [address(data=b"\6\6\6\6")]))
    assert again is exchange
    assert exchange.tcp
    ((_, heard),) = story.answer(exchange, reply(exchange.question.lower(), [address()]), tcp=True)
    assert "198.51.100.7" in str(parsed(heard))


def test_an_upstream_that_no_longer_keeps_the_case_is_believed_after_a_few():
    story = mixing()
    for n in range(3):
        exchange = story.ask(query(f"name-to-be-mixed-{n}.example"), who=n)
        story.answer(exchange, reply(exchange.question.lower(), [address()]))
        story.answer(exchange, reply(exchange.question.lower(), [address()]), tcp=True)
    exchange = story.ask(query("and-another-name.example"))
    assert exchange.question == exchange.question.lower()


# -- guesses ----------------------------------------------------------------------------------------------------------


def test_after_a_few_packets_that_are_no_answer_the_question_goes_over_tcp():
    story = Story()
    exchange = story.ask(query())
    outcomes = [story.forwarder.stray(exchange, story.now) for _ in range(MAX_STRAYS + 2)]
    assert [outcome is exchange for outcome in outcomes] == [False, False, True, False, False]
    assert story.forwarder.strays == MAX_STRAYS + 2
    assert not story.forwarder.upstreams.all[0].down


def test_an_answer_that_had_to_be_guessed_is_not_believed_once_the_question_went_over_tcp():
    story = Story()
    exchange = story.ask(query())
    story.forwarder.stray(exchange, story.now, guessed=True)
    assert exchange.tcp
    assert story.answer(exchange, reply(exchange.question, [address(data=b"\6\6\6\6")])) is None
    ((_, heard),) = story.answer(exchange, reply(exchange.question, [address()]), tcp=True)
    assert "198.51.100.7" in str(parsed(heard))


# -- failures ---------------------------------------------------------------------------------------------------------


def fail(story: Story, name: str = "fails.example") -> object:
    outcome = story.ask(query(name))
    while isinstance(outcome, Exchange):
        outcome = story.answer(outcome, reply(outcome.question, rcode=2))
    return outcome


def test_a_failure_is_remembered_longer_each_time_and_never_for_long():
    story = Story(upstreams=1)
    pause_s = FIRST_S
    for _ in range(10):
        fail(story)
        story.passes(pause_s - 0.1)
        assert rcode(story.ask(query("fails.example"))) == "SERVFAIL"
        story.passes(0.2)
        pause_s = min(pause_s * 2, MAX_S)


def test_an_answer_forgets_the_failures_before_it():
    story = Story(upstreams=1)
    for _ in range(3):
        fail(story)
        story.passes(10.0)
    story.cached(query("fails.example"), address(1))
    story.passes(100.0)
    fail(story)
    story.passes(FIRST_S + 0.1)
    assert isinstance(story.ask(query("fails.example")), Exchange)


# -- ahead of time ----------------------------------------------------------------------------------------------------


def test_an_answer_asked_for_at_the_end_of_its_life_is_fetched_anew():
    story = Story()
    story.cached(query(), address(100))
    story.passes(89.0)
    story.ask(query())
    assert story.forwarder.extra == []
    story.passes(3.0)
    assert ttls(story.ask(query())) == [8]
    (exchange,) = story.forwarder.extra
    story.answer(exchange, reply(exchange.question, [address(100)]))
    story.passes(20.0)
    assert ttls(story.ask(query())) == [60]
    assert story.forwarder.prefetched == 1


def test_short_lives_are_not_prolonged():
    story = Story()
    story.cached(query(), address(5))
    story.passes(4.8)
    assert isinstance(story.ask(query()), bytes)
    assert story.forwarder.extra == []


def test_who_asks_once_the_answer_ran_out_waits_for_the_prefetch():
    story = Story()
    story.cached(query(), address(100))
    story.passes(99.0)
    story.ask(query())
    (exchange,) = story.forwarder.extra
    story.passes(1.2)
    assert story.ask(query(), who="late") is None
    story.answer(exchange, reply(exchange.question, [address(100)]))
    assert ttls(story.heard["late"][0]) == [60]


def test_a_prefetch_that_fails_harms_nobody():
    story = Story(upstreams=1)
    story.cached(query(), address(100))
    story.passes(95.0)
    story.ask(query())
    story.lose_prefetches()
    assert rcode(story.ask(query())) == "NOERROR"


def test_a_prefetch_that_fails_is_not_tried_again_at_every_hit():
    story = Story(upstreams=1)
    story.cached(query(), address(100))
    story.passes(95.0)
    for _ in range(10):
        assert rcode(story.ask(query())) == "NOERROR"
        story.lose_prefetches()
    assert story.forwarder.prefetched == 1
    story.passes(FIRST_S + 0.1)
    story.ask(query())
    assert story.forwarder.prefetched == 2


# -- large answers ----------------------------------------------------------------------------------------------------


def test_reading_large_answers_may_take_a_part_of_each_second_only():
    story = Story()
    story.forwarder.heavy = Budget(200_000)
    large = [address(0) for _ in range(3900)]
    codes = []
    for n in range(12):
        exchange = story.ask(query(f"large{n}.example"), transport="tcp", who=n)
        packet = reply(exchange.question, large)
        story.answer(exchange, packet, tcp=True)
        codes.append(n in story.heard and rcode(story.heard[n][0]))
    assert codes[0] == "NOERROR"
    assert story.forwarder.heavy.refused > 0
    story.passes(2.5)
    exchange = story.ask(query("later.example"), transport="tcp", who="later")
    story.answer(exchange, reply(exchange.question, large), tcp=True)
    assert rcode(story.heard["later"][0]) == "NOERROR"
