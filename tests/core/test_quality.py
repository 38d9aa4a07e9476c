"""What lists close by mistake, and how much each adds."""

from __future__ import annotations

import json
import time
from dataclasses import replace

from filterd.core.policy import Text
from filterd.core.probes import Group, Probes
from filterd.core.quality import Overblocked, Quality, SourceQuality, quality
from tests import schools
from tests.core.compiled import ListText, table_of

NAME = Text("Một", "One")


def figures(*lists: ListText, vi: tuple[str, ...] = (), probes: Probes | None = None) -> Quality:
    return quality(schools.POLICY, table_of(*lists), probes or Probes(), dict.fromkeys(vi, ("vi", "en")), schools.NOW)


def shares(*lists: ListText, vi: tuple[str, ...] = ()) -> dict[str, tuple[int, int, int | None]]:
    return {s.source: (s.entries, s.only, s.missed) for s in figures(*lists, vi=vi).sources}


def test_what_is_closed_by_mistake_is_told_by_tier() -> None:
    probes = Probes(
        must_resolve=(Group("must", NAME, ("a.com", "zalo.com"), unless=("games",)),),
        quality=(Group("schools", NAME, ("b.com", "a.com", "c.com")),),
    )
    lists = ("domains", "games", "zalo.com\nb.com"), ("domains", "adult", "a.com"), ("domains", "streaming", "c.com")
    found = {tier.tier: tier for tier in figures(*lists, probes=probes).tiers}
    assert {tier.tried for tier in found.values()} == {4}
    assert [each.name for each in found["tieu-hoc"].blocked] == ["a.com", "b.com", "c.com"]
    assert [each.name for each in found["thcs"].blocked] == ["a.com", "b.com"]
    assert found["staff"].blocked == (Overblocked("a.com", "must", ("adult",), ("list-1",)),)


def test_a_source_adds_what_no_other_of_its_category_has() -> None:
    assert shares(
        ("domains", "games", "a.com\nb.com\nc.com"), ("domains", "games", "b.com"), ("domains", "ads", "a.com")
    ) == {"list-0": (3, 2, None), "list-1": (1, 0, None), "list-2": (1, 1, None)}


def test_a_name_above_covers_and_one_below_does_not() -> None:
    assert shares(("domains", "games", "a.com"), ("domains", "games", "x.a.com\ny.a.com")) == {
        "list-0": (1, 1, None),
        "list-1": (2, 0, None),
    }


def test_a_name_alone_covers_the_same_name_with_all_below_it() -> None:
    assert shares(("domains", "games", "a.com"), ("hosts", "games", "0.0.0.0 a.com\n0.0.0.0 x.a.com")) == {
        "list-0": (1, 0, None),
        "list-1": (2, 0, None),
    }


def test_a_source_does_not_cover_itself_away() -> None:
    assert shares(("domains", "games", "a.com\nx.a.com")) == {"list-0": (2, 2, None)}


def test_exceptions_cover_nothing_and_are_no_entries() -> None:
    assert shares(("domains", "games", "a.com"), ("adblock", "games", "||b.com^\n@@||a.com^")) == {
        "list-0": (1, 1, None),
        "list-1": (1, 1, None),
    }


def test_what_others_miss_of_lists_that_know_vietnamese_sites() -> None:
    lists = (
        ("domains", "games", "a.com\nb.com\nc.com"),
        ("domains", "games", "b.com\nc.com"),
        ("domains", "games", "c.com"),
    )
    assert shares(*lists, vi=("list-0", "list-1")) == {"list-0": (3, 1, 2), "list-1": (2, 0, 1), "list-2": (1, 0, None)}


def test_distinct_entries_are_counted_by_category() -> None:
    found = figures(
        ("domains", "games", "a.com\nb.com"), ("domains", "games", "b.com"), ("hosts", "ads", "0.0.0.0 b.com")
    )
    assert found.categories == {"ads": 1, "games": 2}


def test_address_lists_have_no_names_to_compare() -> None:
    assert shares(("cidr", "games", "192.0.2.0/24")) == {"list-0": (0, 0, None)}


def test_entries_are_those_of_the_table() -> None:
    lists = (
        ("domains", "games", "a.com\nx.a.com"),
        ("hosts", "games", "0.0.0.0 a.com"),
        ("rpz", "ads", "*.a.com CNAME ."),
    )
    built = table_of(*lists)
    found = quality(schools.POLICY, built, Probes(), {}, schools.NOW).sources
    assert [(s.source, s.category, s.entries) for s in found] == [(s.id, s.category, s.entries) for s in built.sources]


def test_all_of_it_is_json() -> None:
    probes = Probes(quality=(Group("schools", NAME, ("b.com",)),))
    found = json.loads(json.dumps(figures(("domains", "games", "b.com"), probes=probes).to_json()))
    assert found["tiers"][0]["blocked"][0]["name"] == "b.com"
    assert found["sources"] == [
        {"source": "list-0", "category": "games", "entries": 1, "only": 1, "missed": None},
    ]


def test_a_hundred_thousand_names_take_less_than_a_second() -> None:
    lines = "\n".join(f"n{n}.com" for n in range(100_000))
    built = table_of(("domains", "games", lines), ("domains", "games", lines.replace("7", "8")))
    started = time.process_time()
    found = quality(schools.POLICY, built, Probes(), {}, schools.NOW)
    assert time.process_time() - started < 1.0  # a million in 10 s
    assert found.sources[0] == SourceQuality("list-0", "games", 100_000, found.sources[0].only, None)


def test_the_measure_counts_what_pupils_would_feel_and_nothing_the_school_wants() -> None:
    policy = replace(schools.POLICY, floor=replace(schools.POLICY.floor, must_allow=("b.com",)))
    probes = Probes(quality=(Group("schools", NAME, ("b.com", "youtube.com")),))
    built = table_of(("domains", "malware", "b.com"), ("domains", "streaming", "youtube.com"))
    assert [tier.blocked for tier in quality(policy, built, probes, {}, schools.NOW).tiers] == [(), (), ()]
