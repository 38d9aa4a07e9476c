"""Lists into one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from filterd.core import compiler, names
from filterd.core.compiler import Input, compile_table, without
from filterd.core.table import Table
from filterd.errors import ListError
from tests.core.compiled import compiled, inputs
from tests.core.rules.reading import SUFFIXES, source


def test_sources_say_how_many_different_rules_they_have() -> None:
    built = compiled(("domains", "games", "a.com\na.com\nb.com"), ("adblock", "ads", "||a.com^\n@@||c.com^"))
    assert [(s.id, s.category, s.entries, s.list_time) for s in built.sources] == [
        ("list-0", "games", 2, 1000),
        ("list-1", "ads", 1, 1001),
    ]


def test_equal_sets_are_stored_once() -> None:
    text = "".join(f"n{n}.com\n" for n in range(1000))
    built = compiled(("domains", "games", text), ("domains", "ads", text + "x.com\n"))
    assert len(built.sets) == 4  # nothing, games, games and ads, ads
    assert built.names == 1001
    assert len(built.ids) == 1001


def test_a_list_that_is_refused_costs_the_others_nothing() -> None:
    built = compiled(
        ("domains", "games", "a.com\n"), ("domains", "ads", "b.com\n<<<<<<< ours\n"), ("domains", "chat", "c.com")
    )
    assert [s.id for s in built.sources] == ["list-0", "list-2"]
    assert "line 2 is a mark of a merge" in built.refused["list-1"]
    assert built.reports["list-1"].refused
    assert built.names == 2


def test_nothing_usable_makes_an_empty_table() -> None:
    built = compiled(("domains", "games", "<html>"))
    assert (built.names, built.sources, len(built.trie)) == (0, (), 0)


def test_a_list_is_read_once_whatever_it_holds() -> None:
    text = "".join(f"||n{n}.com^\n" + (f"@@||x.n{n}.com^\n" if n % 3 == 0 else "") for n in range(9_000))
    reads = iter([text])

    def read() -> Iterable[bytes]:
        return [next(reads).encode()]

    each = source("adblock", id="mixed")
    built = compile_table([Input(each, read, 0)], SUFFIXES)
    table = Table(built.trie, built.ids, built.sets, built.sources, generation="", built_at=0, names=built.names)
    assert (built.names, built.sources[0].entries) == (12_000, 9_000)
    assert [table.mask(names.key_of_text(name)) for name in ("n3.com", "x.n3.com", "y.n8999.com")] == [1, 0, 1]


def test_what_is_known_of_a_list_makes_the_same_table_again() -> None:
    wanted = inputs(("adblock", "ads", "||a.com^\n@@||b.a.com^"), ("cidr", "games", "192.0.2.0/24"))
    first = compile_table(wanted, SUFFIXES)
    second = compile_table([replace(each, read=tuple, known=first.reads[each.source.id]) for each in wanted], SUFFIXES)
    assert second == replace(first, trie=second.trie)
    assert second.trie.tobytes() == first.trie.tobytes()


def test_a_list_that_cannot_be_read_costs_the_others_nothing() -> None:
    def broken() -> Iterable[bytes]:
        raise ListError("is damaged")

    built = compile_table([Input(source(id="b"), broken, 0), *inputs(("domains", "games", "a.com"))], SUFFIXES)
    assert (built.refused, built.names) == ({"b": "is damaged"}, 1)


def test_lists_of_addresses_share_the_sets_and_have_no_keys() -> None:
    text = "192.0.2.0/24\n192.0.2.0/24\n198.51.100.1\n2001:db8::/32\n"
    built = compiled(("cidr", "games", text), ("domains", "games", "a.com"), ("cidr", "ads", "192.0.2.0/24"))
    assert [(s.id, s.entries) for s in built.sources] == [("list-0", 3), ("list-1", 1), ("list-2", 1)]
    assert (len(built.trie), built.names) == (1, 1)
    assert built.sets == [(), (1 << 3,), (0, 2 << 3), (0,)]
    assert (len(built.bounds.v4), len(built.bounds.high), list(built.bounds.sets)) == (4, 2, [2, 0, 3, 0, 3, 0])


def test_a_list_of_addresses_that_is_refused_costs_the_others_nothing() -> None:
    built = compiled(("cidr", "games", "192.0.2.1\nb.com"), ("cidr", "ads", "192.0.2.1"))
    assert "1 of 2 lines are not cidr rules" in built.refused["list-0"]
    assert [s.id for s in built.sources] == ["list-1"]
    assert list(built.bounds.sets) == [1, 0]


def test_a_list_of_too_many_addresses_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "MAX_NETWORKS", 2)
    assert compiled(("cidr", "games", "1.1.1.1\n1.1.1.2\n1.1.1.2\n1.1.1.1")).refused == {}
    assert "more than 2 networks" in compiled(("cidr", "games", "1.1.1.1\n1.1.1.2\n1.1.1.3")).refused["list-0"]


def test_no_list_is_read_before_it_is_its_turn() -> None:
    order: list[str] = []

    def reader(name: str, text: str) -> Input:
        def read() -> Iterable[bytes]:
            order.append(name)
            yield text.encode()

        return Input(source("domains", id=name), read, 0)

    compile_table([reader("one", "a.com\n"), reader("two", "b.com\n")], SUFFIXES)
    assert order == ["one", "two"]


def test_only_rpz_sources_weigh_owners_by_length() -> None:
    lists = inputs(("rpz", "ads", "a.com CNAME ."), ("auto", "chat", "a.com CNAME ."), ("adblock", "games", "||a.com^"))
    assert [s.longest_wins for s in compile_table(lists, SUFFIXES).sources] == [True, True, False]


def test_without_some_of_its_sources_a_table_is_what_it_would_be_had_they_not_been_read() -> None:
    a, b, c = inputs(
        ("adblock", "ads", "||one.com^\n||shared.com^\n"),
        ("adblock", "games", "||shared.com^\n||sub.one.com^\n@@||deep.shared.com^\n"),
        ("hosts", "chat", "0.0.0.0 three.com\n0.0.0.0 shared.com\n"),
    )
    less, meant = without(compile_table([a, b, c], SUFFIXES), {"list-1"}), compile_table([a, c], SUFFIXES)
    assert (less.sources, less.names, less.reads, less.reports) == (
        meant.sources, meant.names, meant.reads, meant.reports
    )  # fmt: skip
    tables = [Table(t.trie, t.ids, t.sets, t.sources, generation="", built_at=0, names=t.names) for t in (less, meant)]
    for name in ("one.com", "sub.one.com", "shared.com", "deep.shared.com", "three.com", "x.com"):
        found, wanted = ((t.mask(names.key_of_text(name)), t.matches(names.key_of_text(name))) for t in tables)
        assert found == wanted, name
