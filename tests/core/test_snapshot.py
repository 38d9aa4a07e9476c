from __future__ import annotations

from dataclasses import replace

import pytest

from filterd.core import names, special
from filterd.core.overrides import Override
from tests import schools
from tests.schools import NOW, POLICY

SOON = int(NOW) + 600
LESSON = Override("7-3", SOON, profile="exam")


def test_categories_are_the_tables_and_then_the_policys_own():
    snapshot = schools.snapshot(listed={"games": ["g.example"], "ads": ["ads.example"]})
    assert snapshot.categories == ("ads", "games", "malware", "adult", "streaming")
    assert snapshot.index.categories == snapshot.categories


@pytest.mark.parametrize(
    ("of", "first"),
    [(("adult",), "adult"), (("streaming", "malware"), "malware"), (("games", "adult"), "adult"), (("ads",), "ads")],
    ids=["the only one", "the policy's order", "not the table's", "one the policy does not name"],
)
def test_the_first_category_of_a_mask_is_by_the_policys_order(of, first):
    snapshot = schools.snapshot(listed={"ads": ["ads.example"], **schools.LISTED})
    assert snapshot.category_of(snapshot.index.bits(of)) == first


def test_another_moment_shares_what_follows_the_policy_and_rebuilds_the_rows():
    snapshot = schools.snapshot(overrides=[LESSON])
    later = snapshot.at(SOON)
    assert (later.index, later.classrooms, later.table) == (snapshot.index, snapshot.classrooms, snapshot.table)
    assert (schools.row(snapshot, "7-3").profile, schools.row(later, "7-3").profile) == ("exam", "video")
    assert (snapshot.matrix.valid_until, later.matrix.valid_until) == (SOON, None)


def test_another_policy_or_table_shares_no_index():
    snapshot = schools.snapshot()
    copy = replace(POLICY, school_code="other")
    assert type(snapshot)(copy, snapshot.table, snapshot.overrides, NOW, snapshot).index is not snapshot.index
    table = schools.table({"ads": ["ads.example"]})
    assert type(snapshot)(POLICY, table, snapshot.overrides, NOW, snapshot).index is not snapshot.index


def test_the_row_of_no_place_is_that_of_unknown_clients():
    snapshot = schools.snapshot()
    assert snapshot.row_of_place(None) is snapshot.matrix.unknown
    assert snapshot.row_of_place(1) is snapshot.matrix.by_place[1]
    assert schools.snapshot(replace(POLICY, unknown_client_tier=None)).row_of_place(None) is None


def test_successors_are_the_rows_that_clients_of_a_row_will_have():
    twin = replace(POLICY.places[1], id="7-4", subnets=("127.0.74.0/24",))
    later_lesson = Override("7-3", SOON + 600, since=SOON, profile="exam")
    snapshot = schools.snapshot(replace(POLICY, places=(*POLICY.places, twin)), overrides=[later_lesson])
    later = snapshot.at(SOON)
    shared = schools.row(snapshot, "7-3")
    assert shared is schools.row(snapshot, "7-4")
    assert snapshot.successors(shared, later) == {schools.row(later, "7-3"), schools.row(later, "7-4")}


def test_successors_of_the_row_of_unknown_clients_include_theirs():
    snapshot = schools.snapshot(overrides=[LESSON])
    unknown = schools.row(snapshot, None)
    later = snapshot.at(SOON)
    assert schools.row(later, None) in snapshot.successors(unknown, later)


def test_heads_hold_every_name_with_a_meaning_or_a_rule():
    snapshot = schools.snapshot()
    for key in (*snapshot.index.keys, snapshot.box_key, *map(names.key_of_text, ("localhost", "10.in-addr.arpa"))):
        assert names.head(key) in snapshot.heads
    assert special.special(b"com.icloud.mask.") is not None
    assert names.head(b"com.icloud.mask.") in snapshot.heads
