"""Look-ups in a table: what covers what, and how exceptions are weighed."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterd.core import names, table
from filterd.core.table import Table
from tests.core.compiled import compiled, table_of


def categories(built: Table, name: str) -> set[str]:
    mask = built.mask(names.key_of_text(name))
    return {category for bit, category in enumerate(built.categories) if mask >> bit & 1}


@pytest.mark.parametrize(
    ("form", "line", "listed", "free"),
    [
        pytest.param(
            "domains", "b.com", ["b.com", "a.b.com", "z.a.b.com"], ["com", "ab.com", "b.com.vn"], id="subtree"
        ),
        pytest.param("hosts", "0.0.0.0 b.com", ["b.com"], ["a.b.com", "com", "ab.com"], id="exact"),
        pytest.param("rpz", "*.b.com CNAME .", ["a.b.com", "z.a.b.com"], ["b.com", "ab.com", "com"], id="below"),
    ],
)
def test_an_entry_covers_what_its_format_says(form: str, line: str, listed: list[str], free: list[str]) -> None:
    built = table_of((form, "games", line))
    assert {name: categories(built, name) for name in listed} == {name: {"games"} for name in listed}
    assert {name: categories(built, name) for name in free} == {name: set() for name in free}


def test_all_sources_that_list_a_name_count() -> None:
    built = table_of(
        ("domains", "games", "b.com"), ("hosts", "ads", "0.0.0.0 a.b.com"), ("rpz", "chat", "*.a.b.com CNAME .")
    )
    assert categories(built, "b.com") == {"games"}
    assert categories(built, "a.b.com") == {"games", "ads"}
    assert categories(built, "z.a.b.com") == {"games", "chat"}


def test_an_exception_takes_away_within_its_own_source_only() -> None:
    built = table_of(("adblock", "ads", "||b.com^\n@@||ok.b.com^"), ("domains", "games", "b.com"))
    assert categories(built, "x.b.com") == {"ads", "games"}
    assert categories(built, "ok.b.com") == {"games"}
    assert categories(built, "z.ok.b.com") == {"games"}


def test_an_adblock_exception_wins_over_a_longer_block() -> None:
    built = table_of(("adblock", "ads", "||z.ok.b.com^\n||b.com^\n@@||ok.b.com^"))
    assert categories(built, "z.ok.b.com") == set()


@pytest.mark.parametrize(
    ("zone", "name", "listed"),
    [
        pytest.param("*.b.com CNAME .\n*.ok.b.com CNAME rpz-passthru.", "z.ok.b.com", False, id="longer passthru"),
        pytest.param("*.ok.b.com CNAME .\n*.b.com CNAME rpz-passthru.", "z.ok.b.com", True, id="longer block"),
        pytest.param("b.com CNAME .\nb.com CNAME rpz-passthru.", "b.com", False, id="passthru wins ties"),
        pytest.param("*.b.com CNAME rpz-passthru.\nz.b.com CNAME .", "z.b.com", True, id="exact owner is longest"),
        pytest.param("*.b.com CNAME .\nz.b.com CNAME rpz-passthru.", "z.b.com", False, id="exact passthru"),
        pytest.param("*.b.com CNAME .\nb.com CNAME rpz-passthru.", "z.b.com", True, id="passthru of the name alone"),
        pytest.param("b.com CNAME .\n*.b.com CNAME rpz-passthru.", "b.com", True, id="passthru below alone"),
    ],
)
def test_in_an_rpz_the_longest_owner_wins(zone: str, name: str, listed: bool) -> None:
    built = table_of(("rpz", "ads", zone + "\nx.com CNAME ."))
    assert categories(built, name) == ({"ads"} if listed else set())


def test_explain_hears_of_every_rule_shortest_first() -> None:
    built = table_of(("adblock", "ads", "||b.com^\n@@||ok.b.com^"), ("hosts", "games", "0.0.0.0 ok.b.com"))
    found = [(m.source, m.category, m.covers, m.rule, m.exception) for m in built.matches(b"com.b.ok.")]
    assert found == [
        ("list-0", "ads", "subtree", "b.com", False),
        ("list-0", "ads", "subtree", "ok.b.com", True),
        ("list-1", "games", "exact", "ok.b.com", False),
    ]
    assert built.matches(b"com.c.") == ()


def test_a_label_cannot_look_like_a_marker() -> None:
    built = table_of(("hosts", "games", "0.0.0.0 b.com"))
    assert built.mask(names.key_of_wire(b"\x01$\x01b\x03com\0")) == 0
    assert built.mask(names.key_of_wire(b"\x03a.b\x03com\0")) == 0


@pytest.mark.parametrize("key", [b"", b"com.", b"com.example.www."], ids=repr)
def test_the_empty_table_lists_nothing(key: bytes) -> None:
    assert table.EMPTY.mask(key) == 0
    assert table.EMPTY.matches(key) == ()
    assert table.EMPTY.categories == ()


LABELS = st.sampled_from(["a", "b", "c"])
NAMES = st.lists(LABELS, min_size=1, max_size=3).map(lambda labels: ".".join([*labels, "com"]))
LINES = st.lists(st.tuples(NAMES, st.sampled_from(["||{}^", "@@||{}^", "||*.{}^", "{}"])), min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
@given(lists=st.lists(LINES, min_size=1, max_size=3), name=NAMES)
def test_the_table_says_what_reading_the_rules_one_by_one_says(lists: list[list[tuple[str, str]]], name: str) -> None:
    texts = ["\n".join(form.format(owner) for owner, form in lines) for lines in lists]
    built = table_of(*(("adblock", f"c{at}", text) for at, text in enumerate(texts)))
    expected = {f"c{at}" for at, lines in enumerate(lists) if _listed(name, lines)}
    assert categories(built, name) == expected
    listing = built.listing(names.key_of_text(name))
    assert {built.sources[at].category for at in listing} == expected
    assert len(listing) == len(set(listing))


def _listed(name: str, lines: list[tuple[str, str]]) -> bool:
    speaks = {
        form
        for owner, form in lines
        if (name == owner and form != "||*.{}^") or (name.endswith("." + owner) and form != "{}")
    }
    return bool(speaks - {"@@||{}^"}) and "@@||{}^" not in speaks


def test_names_are_counted_once() -> None:
    assert compiled(("domains", "games", "b.com\nB.com\nb.com."), ("domains", "ads", "b.com\nc.com")).names == 2


# -- all of it ---------------------------------------------------------------------------------------------------------


OLD = ("domains", "games", "a.com\nb.com\nx.b.com"), ("hosts", "ads", "0.0.0.0 b.com")
NEW = ("domains", "games", "b.com\nx.b.com\nc.com"), ("hosts", "ads", "0.0.0.0 b.com"), ("domains", "chat", "c.com")


def meant(built: Table, at: int) -> set[str]:
    return {built.sources[element >> table.CODE_BITS].category for element in built.elements(at)}


def test_two_tables_are_compared_key_by_key() -> None:
    before, after = table_of(*OLD), table_of(*NEW)
    found = {key: (meant(before, old), meant(after, new)) for key, new, old in after.compared(before)}
    assert found == {
        b"com.a.": ({"games"}, set()),
        b"com.b.": ({"games"}, {"games"}),
        b"com.b.$": ({"ads"}, {"ads"}),
        b"com.b.x.": ({"games"}, {"games"}),
        b"com.c.": (set(), {"games", "chat"}),
    }
    assert len(list(after.compared(before))) == len(found)


@pytest.mark.parametrize("other", [table.EMPTY, table_of(*OLD)], ids=["nothing", "a table"])
def test_a_table_compared_with_nothing_is_all_of_it(other: Table) -> None:
    assert len(list(other.compared(table.EMPTY))) == len(list(table.EMPTY.compared(other)))
    assert {new for _, new, _ in table.EMPTY.compared(other)} <= {0}


def test_a_path_is_the_own_set_and_those_of_all_other_keys_about_the_name() -> None:
    built = table_of(*OLD)
    shown = sorted([sorted(meant(built, at)) for at in path] for path in built.paths())
    assert shown == [
        [["ads"], ["games"]],  # b.com alone
        [["games"]],  # a.com
        [["games"], ["ads"]],  # b.com
        [["games"], ["games"]],  # x.b.com, below b.com
    ]


def test_ranges_begin_where_another_set_of_lists_does() -> None:
    built = table_of(("cidr", "games", "192.0.2.0/24\n2001:db8::/32"), ("cidr", "ads", "192.0.2.128/25"))
    v4 = [(str(ip_address(first)), meant(built, at)) for first, at in built.ranges(32)]
    assert v4 == [("192.0.2.0", {"games"}), ("192.0.2.128", {"games", "ads"}), ("192.0.3.0", set())]
    v6 = [(str(ip_address(first)), meant(built, at)) for first, at in built.ranges(128)]
    assert v6 == [("2001:db8::", {"games"}), ("2001:db9::", set())]
    assert list(table.EMPTY.ranges(32)) == list(table.EMPTY.ranges(128)) == []


# -- addresses --------------------------------------------------------------------------------------------------------


def address_categories(built: Table, text: str) -> set[str]:
    mask = built.address_mask(ip_address(text).packed)
    return {category for bit, category in enumerate(built.categories) if mask >> bit & 1}


ADDRESSES = (
    ("domains", "games", "b.com"),
    ("cidr", "adult", "192.0.2.0/24\n2001:db8::/32"),
    ("cidr", "games", "192.0.2.128/25\n198.51.100.7"),
)


@pytest.mark.parametrize(
    ("address", "listed"),
    [
        ("192.0.2.1", {"adult"}),
        ("192.0.2.200", {"adult", "games"}),
        ("198.51.100.7", {"games"}),
        ("198.51.100.8", set()),
        ("2001:db8::1", {"adult"}),
        ("2001:db9::1", set()),
        ("64:ff9b::192.0.2.200", {"adult", "games"}),
        ("2002:c000:201::1", {"adult"}),
        ("64:ff9b::198.51.100.8", set()),
    ],
)
def test_an_address_is_in_the_categories_of_the_lists_that_hold_it(address: str, listed: set[str]) -> None:
    built = table_of(*ADDRESSES)
    assert built.has_addresses
    assert address_categories(built, address) == listed
    assert {m.category for m in built.address_matches(ip_address(address).packed)} == listed


def test_explain_hears_of_the_range_around_an_address() -> None:
    built = table_of(*ADDRESSES, ("cidr", "chat", "203.0.113.1\n203.0.113.2"))

    def found(text: str) -> list[tuple[str, str, str, str, bool]]:
        matches = built.address_matches(ip_address(text).packed)
        return [(m.source, m.category, m.covers, m.rule, m.exception) for m in matches]

    assert found("192.0.2.200") == [
        ("list-1", "adult", "addresses", "192.0.2.128/25", False),
        ("list-2", "games", "addresses", "192.0.2.128/25", False),
    ]
    assert found("203.0.113.1") == [("list-3", "chat", "addresses", "203.0.113.1-203.0.113.2", False)]
    assert found("64:ff9b::198.51.100.7") == [("list-2", "games", "addresses", "198.51.100.7/32", False)]
    assert found("203.0.113.3") == []


def test_names_are_not_touched_by_lists_of_addresses() -> None:
    built = table_of(*ADDRESSES)
    assert categories(built, "b.com") == {"games"}
    assert built.names == 1


@pytest.mark.parametrize("built", [table.EMPTY, table_of(("domains", "games", "b.com"))], ids=["empty", "names only"])
def test_a_table_of_names_knows_no_address(built: Table) -> None:
    assert not built.has_addresses
    for text in ("192.0.2.1", "2001:db8::1", "64:ff9b::192.0.2.1"):
        assert built.address_mask(ip_address(text).packed) == 0
        assert built.address_matches(ip_address(text).packed) == ()
