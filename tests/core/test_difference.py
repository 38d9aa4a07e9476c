"""What entered and left between two tables, and whose verdicts that changes."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from filterd.core.difference import SAMPLES, Change, difference, verdict_changes
from filterd.core.policy import SchoolName
from filterd.core.table import EMPTY
from tests import schools
from tests.core.compiled import ListText, table_of


def changes(before: list[ListText], after: list[ListText]) -> tuple[dict[str, Change], dict[str, Change]]:
    found = difference(table_of(*before), table_of(*after))
    return found.sources, found.categories


def test_what_entered_and_left_is_told_by_source_and_category() -> None:
    sources, categories = changes(
        [("domains", "games", "a.com\nb.com\nc.com"), ("domains", "ads", "x.com")],
        [("domains", "games", "b.com\nc.com\nd.com\ne.com"), ("domains", "ads", "x.com")],
    )
    assert sources == {"list-0": Change(2, 1, ("d.com", "e.com"), ("a.com",))}
    assert categories == {"games": Change(2, 1, ("d.com", "e.com"), ("a.com",))}


def test_a_rule_enters_a_category_once_and_leaves_it_with_its_last_source() -> None:
    both = [("domains", "games", "a.com"), ("domains", "games", "a.com\nb.com")]
    one: list[ListText] = [("domains", "games", "a.com"), ("domains", "games", "b.com")]
    none: list[ListText] = [("domains", "games", "c.com"), ("domains", "games", "b.com")]
    assert changes(both, one) == ({"list-1": Change(0, 1, (), ("a.com",))}, {})
    sources, categories = changes(one, none)
    assert sources == {"list-0": Change(1, 1, ("c.com",), ("a.com",))}
    assert categories == {"games": Change(1, 1, ("c.com",), ("a.com",))}


@pytest.mark.parametrize(
    ("form", "before", "after", "entered", "left"),
    [
        ("rpz", "a.com CNAME .", "*.a.com CNAME .", ("*.a.com",), ("=a.com",)),
        ("adblock", "||a.com^", "||a.com^\n@@||b.a.com^", ("except b.a.com",), ()),
        ("rpz", "*.a.com CNAME .", "*.a.com CNAME .\nb.a.com CNAME rpz-passthru.", ("except =b.a.com",), ()),
    ],
    ids=["reach", "exception", "exception of one name"],
)
def test_samples_say_what_a_rule_covers(
    form: str, before: str, after: str, entered: tuple[str, ...], left: tuple[str, ...]
) -> None:
    keep = "\nk.com CNAME ." if form == "rpz" else "\n||k.com^"
    sources, _ = changes([(form, "games", before + keep)], [(form, "games", after + keep)])
    assert sources == {"list-0": Change(len(entered), len(left), entered, left)}


def test_exceptions_are_in_no_category() -> None:
    _, categories = changes([("adblock", "ads", "||a.com^")], [("adblock", "ads", "||a.com^\n@@||b.com^")])
    assert categories == {}


def test_a_source_that_came_or_went_changes_in_full() -> None:
    sources, categories = changes(
        [("domains", "games", "a.com")], [("domains", "games", "a.com"), ("hosts", "ads", "0.0.0.0 b.com")]
    )
    assert sources == {"list-1": Change(1, 0, ("=b.com",), ())}
    assert categories == {"ads": Change(1, 0, ("=b.com",), ())}


def test_a_source_whose_category_changed_left_one_and_entered_the_other() -> None:
    sources, categories = changes([("domains", "games", "a.com")], [("domains", "chat", "a.com")])
    assert sources == {"list-0": Change(1, 1, ("a.com",), ("a.com",))}
    assert categories == {"chat": Change(1, 0, ("a.com",), ()), "games": Change(0, 1, (), ("a.com",))}


def test_the_order_of_sources_and_names_means_nothing() -> None:
    one, two = ("domains", "games", "a.com\nb.com"), ("domains", "ads", "b.com\nc.com")
    before, after = table_of(one, two), table_of(one, two)
    swapped = (
        replace(before.sources[0], id="list-1", category="ads"),
        replace(before.sources[1], id="list-0", category="games"),
    )
    after = table_of(two, one)
    after.sources = swapped
    assert difference(before, after).sources == {}


def test_addresses_are_told_as_ranges() -> None:
    sources, categories = changes(
        [("cidr", "games", "192.0.2.0/24\n2001:db8::/32")], [("cidr", "games", "192.0.2.0/25\n198.51.100.7")]
    )
    expected = Change(
        1, 2, ("198.51.100.7",), ("192.0.2.128-192.0.2.255", "2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff")
    )
    assert sources == {"list-0": expected}
    assert categories == {"games": expected}


def test_equal_tables_do_not_differ() -> None:
    lists: list[ListText] = [("domains", "games", "a.com"), ("cidr", "ads", "192.0.2.0/24")]
    found = difference(table_of(*lists), table_of(*lists))
    assert (found.sources, found.categories) == ({}, {})
    assert (found.names_before, found.names_after) == (1, 1)


def test_from_nothing_to_a_table_and_back() -> None:
    built = table_of(("domains", "games", "a.com\nb.com"), ("cidr", "ads", "192.0.2.1"))
    assert {s: c.entered for s, c in difference(EMPTY, built).sources.items()} == {"list-0": 2, "list-1": 1}
    assert {s: c.left for s, c in difference(built, EMPTY).sources.items()} == {"list-0": 2, "list-1": 1}


def test_samples_are_the_same_every_time_and_from_all_over_the_alphabet() -> None:
    names = [f"{letter}{n}.com" for letter in "abcdefghijklmnopqrstuvwxyz" for n in range(40)]
    first = difference(EMPTY, table_of(("domains", "games", "\n".join(names)))).sources["list-0"]
    again = difference(EMPTY, table_of(("domains", "games", "\n".join(reversed(names))))).sources["list-0"]
    assert first == again
    assert (first.entered, len(first.entered_samples)) == (len(names), SAMPLES)
    assert len({name[0] for name in first.entered_samples}) > SAMPLES // 2
    assert list(first.entered_samples) == sorted(first.entered_samples)


def test_a_hundred_thousand_names_are_compared_in_a_fraction_of_a_second() -> None:
    before = table_of(("domains", "games", "\n".join(f"n{n}.com" for n in range(50_000))))
    after = table_of(("domains", "games", "\n".join(f"n{n}.com" for n in range(25_000, 75_000))))
    started = time.process_time()
    change = difference(before, after).sources["list-0"]
    assert time.process_time() - started < 0.6  # a million names in 6 s
    assert (change.entered, change.left) == (25_000, 25_000)


# -- verdicts ---------------------------------------------------------------------------------------------------------


def test_names_whose_verdict_changes_are_counted_by_tier_and_direction() -> None:
    before = table_of(("domains", "games", "a.com\nb.com"))
    after = table_of(("domains", "games", "b.com"), ("domains", "adult", "c.com\nd.com"))
    found = verdict_changes(
        schools.POLICY, before, after, ("d.com", "www.a.com", "b.com", "c.com", "e.com"), schools.NOW
    )
    assert [(t.tier, t.closed_samples, t.opened_samples) for t in found] == [
        ("tieu-hoc", ("d.com", "c.com"), ("www.a.com",)),
        ("thcs", ("d.com", "c.com"), ("www.a.com",)),
        ("staff", ("d.com", "c.com"), ()),
    ]
    assert [(t.closed, t.opened) for t in found] == [(2, 1), (2, 1), (2, 0)]


def test_the_policy_has_the_last_word_on_what_changes() -> None:
    policy = replace(schools.POLICY, names=(SchoolName("a.com", True), SchoolName("b.com", False)))
    before, after = table_of(("domains", "ads", "x.com")), table_of(("domains", "games", "a.com\nb.com"))
    assert {t.closed for t in verdict_changes(policy, before, after, ("a.com", "b.com"), schools.NOW)} == {0}


def test_a_category_that_takes_over_from_another_changes_no_verdict_where_both_are_closed() -> None:
    before, after = table_of(("domains", "games", "a.com")), table_of(("domains", "adult", "a.com"))
    found = verdict_changes(schools.POLICY, before, after, ("a.com",), schools.NOW)
    assert [(t.closed, t.opened) for t in found] == [(0, 0), (0, 0), (1, 0)]


def test_only_the_most_important_names_are_samples() -> None:
    names = [f"n{n}.com" for n in range(3 * SAMPLES)]
    after = table_of(("domains", "adult", "\n".join(names)))
    tier = verdict_changes(schools.POLICY, EMPTY, after, names, schools.NOW)[0]
    assert (tier.closed, tier.closed_samples) == (len(names), tuple(names[:SAMPLES]))
