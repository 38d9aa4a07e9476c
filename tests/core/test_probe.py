"""Names that must resolve and names that must not, asked of a table in every tier."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from filterd.core.policy import Local, LocalRecord, Place, Policy, Profile, Rules, SchoolName, Service, Text
from filterd.core.probe import Hit, probe, suspects
from filterd.core.probes import Group, Probes, Sentinels
from filterd.core.table import EMPTY
from tests import schools
from tests.core.compiled import ListText, table_of

NAME = Text("Một", "One")
POLICY, NOW = schools.POLICY, schools.NOW
ALL, PUPILS = ("tieu-hoc", "thcs", "staff"), ("tieu-hoc", "thcs")


def must_resolve(*names: str, unless: tuple[str, ...] = ()) -> Probes:
    return Probes(must_resolve=(Group("learning", NAME, names, unless),))


def hits(probes: Probes, *lists: ListText, policy: Policy = POLICY) -> tuple[Hit, ...]:
    return probe(policy, table_of(*lists), probes, NOW)


@pytest.mark.parametrize(
    ("category", "tiers"), [("malware", ALL), ("adult", ALL), ("games", PUPILS), ("streaming", ("tieu-hoc",))]
)
def test_a_name_that_a_list_closes_is_told_with_the_tiers_that_feel_it(category: str, tiers: tuple[str, ...]) -> None:
    (hit,) = hits(must_resolve("kahoot.com", "b.com"), ("domains", category, "kahoot.com"))
    assert hit == Hit("resolve", "kahoot.com", tiers, (category,), ("list-0",), "learning")


@pytest.mark.parametrize(
    ("form", "text", "name"),
    [
        ("domains", "com.vn\ngoogle.com", "docs.google.com"),
        ("hosts", "0.0.0.0 docs.google.com", "docs.google.com"),
        ("rpz", "*.google.com CNAME .", "docs.google.com"),
        ("rpz", "*.docs.google.com CNAME .", "*.docs.google.com"),
        ("adblock", "||docs.google.com^", "docs.google.com"),
    ],
    ids=["a name above", "the name alone", "below a name above", "only what is below", "the name and all below"],
)
def test_rules_of_every_reach_are_found(form: str, text: str, name: str) -> None:
    (hit,) = hits(must_resolve("docs.google.com"), (form, "adult", text))
    assert hit.name == name


@pytest.mark.parametrize(
    ("form", "text"),
    [("hosts", "0.0.0.0 x.docs.google.com\n0.0.0.0 google.com"), ("adblock", "||google.com^\n@@||docs.google.com^")],
    ids=["other names", "an exception"],
)
def test_what_leaves_the_name_alone_is_no_fault(form: str, text: str) -> None:
    assert hits(must_resolve("docs.google.com"), (form, "adult", text)) == ()


def test_all_guilty_sources_are_named_and_no_other() -> None:
    (hit,) = hits(
        must_resolve("kahoot.com"),
        ("domains", "games", "kahoot.com"),
        ("adblock", "games", "||kahoot.com^\n@@||kahoot.com^"),
        ("hosts", "adult", "0.0.0.0 kahoot.com"),
        ("domains", "streaming", "b.com"),
    )
    assert (hit.categories, hit.sources) == (("adult", "games"), ("list-0", "list-2"))


def test_what_a_category_holds_on_purpose_is_no_fault() -> None:
    probes = must_resolve("zalo.com", unless=("games",))
    assert hits(probes, ("domains", "games", "zalo.com")) == ()
    (hit,) = hits(probes, ("domains", "games", "zalo.com"), ("domains", "streaming", "zalo.com"))
    assert (hit.categories, hit.sources, hit.tiers) == (("streaming",), ("list-1",), ("tieu-hoc",))


def test_what_the_policy_puts_into_a_category_itself_is_no_fault() -> None:
    assert hits(must_resolve("youtube.com"), ("domains", "streaming", "youtube.com")) == ()
    (hit,) = hits(must_resolve("youtube.com"), ("domains", "malware", "youtube.com"))
    assert hit.categories == ("malware",)


@pytest.mark.parametrize(
    "policy",
    [
        replace(POLICY, names=(SchoolName("kahoot.com", True),)),
        replace(POLICY, names=(SchoolName("kahoot.com", False),)),
        replace(POLICY, floor=replace(POLICY.floor, must_allow=("kahoot.com",))),
        replace(POLICY, floor=replace(POLICY.floor, authority_block=("kahoot.com",))),
        replace(POLICY, profiles=(Profile("learning", NAME, allow=Rules(categories=("games",))),)),
        replace(POLICY, profiles=(Profile("learning", NAME, allow_list_only=True),)),
    ],
    ids=["allowed", "blocked by the school", "must-allow", "authority", "profile opens games", "allow-list only"],
)
def test_where_the_policy_speaks_lists_are_not_at_fault(policy: Policy) -> None:
    assert hits(must_resolve("kahoot.com"), ("domains", "games", "kahoot.com"), policy=policy) == ()


def test_a_name_allowed_for_one_tier_is_at_fault_in_the_others() -> None:
    policy = replace(POLICY, names=(SchoolName("kahoot.com", True, tiers=("thcs",)),))
    (hit,) = hits(must_resolve("kahoot.com"), ("domains", "games", "kahoot.com"), policy=policy)
    assert hit.tiers == ("tieu-hoc",)


def test_tiers_and_places_that_only_observe_are_tried_as_if_they_did_not() -> None:
    tiers = tuple(replace(t, enforce="observe", observe_until=int(NOW) + 9) for t in POLICY.tiers)
    (hit,) = hits(must_resolve("kahoot.com"), ("domains", "games", "kahoot.com"), policy=replace(POLICY, tiers=tiers))
    assert hit.tiers == PUPILS


def test_a_class_with_the_id_of_a_tier_is_not_taken_for_it() -> None:
    policy = replace(
        POLICY, places=(Place("thcs", "x", "staff", "free", ()),), names=(SchoolName("b.com", True, classes=("thcs",)),)
    )
    (hit,) = hits(must_resolve("b.com"), ("domains", "games", "b.com"), policy=policy)
    assert hit.tiers == PUPILS


def test_the_schools_own_names_are_judged_as_decide_does() -> None:
    policy = replace(POLICY, local=Local(records=(LocalRecord("so.lan", 1, 300, "0a000001"),)))
    lists = ("domains", "games", "so.lan"), ("domains", "malware", "so.lan")
    (hit,) = hits(must_resolve("so.lan"), *lists, policy=policy)
    assert (hit.categories, hit.sources) == (("malware",), ("list-1",))


# -- sentinels --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("category", "tiers"), [("malware", ALL), ("adult", ALL), ("games", PUPILS), ("streaming", ("tieu-hoc",))]
)
def test_a_sentinel_must_be_blocked_where_its_category_is_closed(category: str, tiers: tuple[str, ...]) -> None:
    probes = Probes(must_block=(Sentinels(category, ("bad.com", "worse.com")),))
    (hit,) = hits(
        probes, ("domains", category, "bad.com"), ("domains", category, "b.com"), ("hosts", "x", "0.0.0.0 c.d")
    )
    assert hit == Hit("block", "worse.com", tiers, (category,), ("list-0", "list-1"), category)


def test_a_sentinel_of_a_category_without_lists_is_told_too() -> None:
    (hit,) = probe(POLICY, EMPTY, Probes(must_block=(Sentinels("games", ("bad.com",)),)), NOW)
    assert (hit.tiers, hit.sources) == (PUPILS, ())


@pytest.mark.parametrize(
    "policy",
    [
        replace(POLICY, names=(SchoolName("bad.com", True),)),
        replace(POLICY, names=(SchoolName("bad.com", False),)),
        replace(POLICY, floor=replace(POLICY.floor, must_allow=("bad.com",))),
        replace(POLICY, profiles=(Profile("learning", NAME, allow=Rules(names=("bad.com",))),)),
        replace(POLICY, profiles=(Profile("learning", NAME, allow=Rules(categories=("games",))),)),
        replace(POLICY, services=(*POLICY.services, Service("bad", NAME, ("bad.com",), "games"))),
    ],
    ids=["allowed", "blocked by the school", "must-allow", "opened by the profile", "games are open", "a service"],
)
def test_a_sentinel_the_policy_speaks_about_is_not_missed(policy: Policy) -> None:
    assert hits(Probes(must_block=(Sentinels("games", ("bad.com",)),)), policy=policy) == ()


def test_a_sentinel_that_another_category_closes_is_blocked_well_enough() -> None:
    probes = Probes(must_block=(Sentinels("games", ("bad.com",)),))
    assert hits(probes, ("domains", "adult", "bad.com")) == ()


# -- whose fault ------------------------------------------------------------------------------------------------------

CLEAN, SINFUL = ("domains", "games", "g.com"), ("domains", "games", "g.com\nkahoot.com")


@pytest.mark.parametrize(
    ("before", "after", "guilty"),
    [
        ((CLEAN, CLEAN), (SINFUL, CLEAN), ("list-0",)),
        ((CLEAN, SINFUL), (SINFUL, SINFUL), ("list-0",)),
        ((SINFUL,), (SINFUL,), ()),
        (None, (CLEAN, SINFUL), ("list-1",)),
    ],
    ids=["one is new", "one of two is new", "neither is new", "no table before"],
)
def test_a_closed_name_is_put_down_to_those_that_did_not_list_it(before, after, guilty) -> None:  # type: ignore[no-untyped-def]
    now, then = table_of(*after), None if before is None else table_of(*before)
    (hit,) = probe(POLICY, now, must_resolve("kahoot.com"), NOW)
    assert suspects(hit, now, then) == guilty


def test_an_open_sentinel_is_put_down_to_those_that_listed_it() -> None:
    probes = Probes(must_block=(Sentinels("games", ("kahoot.com",)),))
    before, after = table_of(SINFUL, SINFUL, CLEAN), table_of(CLEAN, CLEAN, CLEAN)
    (hit,) = probe(POLICY, after, probes, NOW)
    assert suspects(hit, after, before) == ("list-0", "list-1")
    assert suspects(hit, after, None) == ()


# -- at large ---------------------------------------------------------------------------------------------------------


def test_names_of_several_groups_are_told_once_and_in_their_order() -> None:
    groups = (Group("a", NAME, ("b.com", "a.com")), Group("b", NAME, ("a.com", "c.com"), unless=("games",)))
    found = hits(Probes(must_resolve=groups), ("domains", "games", "a.com\nb.com\nc.com"))
    assert [(hit.name, hit.group) for hit in found] == [("b.com", "a"), ("a.com", "a")]


def test_nothing_to_try_finds_nothing() -> None:
    assert hits(Probes(), ("domains", "games", "a.com")) == ()


def test_special_names_are_not_the_lists_fault() -> None:
    probes = must_resolve("use-application-dns.net", "localhost", schools.BOX)
    assert hits(probes, ("hosts", "adult", f"0.0.0.0 use-application-dns.net {schools.BOX}")) == ()


def test_six_hundred_names_in_six_tiers_take_no_third_of_a_second() -> None:
    tiers = tuple(replace(tier, id=f"{tier.id}-{n}") for n in (1, 2) for tier in POLICY.tiers)
    names = tuple(f"www{n}.example.com" for n in range(600))
    built = table_of(("domains", "games", "\n".join(f"n{n}.com" for n in range(5000)) + "\nwww7.example.com"))
    started = time.process_time()
    (hit,) = probe(replace(POLICY, tiers=tiers), built, must_resolve(*names), NOW)
    assert time.process_time() - started < 0.3
    assert len(hit.tiers) == 4
