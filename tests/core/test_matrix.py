from __future__ import annotations

from dataclasses import replace

import pytest

from filterd.core import matrix, names
from filterd.core.matrix import Index, build, rule_key
from filterd.core.overrides import Override, Overrides
from filterd.core.policy import Profile, Rules, SchoolName
from tests import schools
from tests.core.timetables import TIMETABLE, moment
from tests.schools import NOW, POLICY, text

SOON = int(NOW) + 600
INDEX = Index(POLICY, schools.CATEGORIES)


def rows(*overrides: Override, policy=POLICY, now=NOW) -> matrix.Matrix:
    return build(Index(policy, schools.CATEGORIES), Overrides(overrides), now)


def test_a_rule_covers_a_name_and_all_below_or_exactly_the_name():
    assert rule_key("example.com") == b"com.example."
    assert rule_key("=example.com") == b"com.example.$"


def test_the_index_knows_every_name_of_the_policy():
    entries = [n for s in POLICY.services for n in s.names] + [e.name for e in POLICY.names]
    entries += [*POLICY.floor.must_allow, "thi.example"]
    assert set(INDEX.keys) == {rule_key(entry) for entry in entries}


def test_a_services_names_carry_its_category():
    assert INDEX.masks[INDEX.ids["service", "youtube"]] == INDEX.bits(("streaming",))
    assert INDEX.masks[INDEX.ids["service", "olm"]] == 0


def test_a_name_in_two_services_has_two_atoms():
    services = tuple(replace(s, names=("shared.example",)) for s in POLICY.services)
    index = Index(replace(POLICY, services=services), schools.CATEGORIES)
    assert len(index.keys[rule_key("shared.example")]) == 2


def test_a_category_that_nobody_lists_has_no_bit():
    assert INDEX.bits(("games", "gone", "games")) == 1 << schools.CATEGORIES.index("games")


def test_every_head_of_the_index_begins_its_key():
    assert {names.head(key) for key in INDEX.keys} == INDEX.heads


# -- rows -------------------------------------------------------------------------------------------------------------


def test_classes_that_are_treated_alike_share_a_row():
    twin = replace(POLICY.places[0], id="3b", subnets=("127.0.32.0/24",))
    made = rows(policy=replace(POLICY, places=(*POLICY.places, twin)))
    assert made.by_place[-1] is made.by_place[0]
    assert made.by_place[1] is not made.by_place[0]
    assert [row.index for row in made.rows] == list(range(len(made.rows)))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"profile": "video"}, id="profile"),
        pytest.param({"tier": "thcs"}, id="tier"),
        pytest.param({"enforce": "observe", "observe_until": SOON}, id="observe"),
    ],
)
def test_classes_that_differ_do_not_share_a_row(changes):
    twin = replace(POLICY.places[0], id="3b", **changes)
    made = rows(policy=replace(POLICY, places=(*POLICY.places, twin)))
    assert made.by_place[-1] is not made.by_place[0]


def test_a_school_name_for_one_class_gives_it_a_row_of_its_own():
    twin = replace(POLICY.places[0], id="3b")
    entry = SchoolName("x.example", False, classes=("3b",))
    made = rows(policy=replace(POLICY, places=(*POLICY.places, twin), names=(entry,)))
    assert made.by_place[-1] is not made.by_place[0]


def test_unknown_clients_have_the_row_of_their_tier_or_none():
    assert rows().unknown is not None
    assert rows().unknown.tier == "tieu-hoc"
    assert rows(policy=replace(POLICY, unknown_client_tier=None)).unknown is None


@pytest.mark.parametrize(("place", "tier", "pupils", "ttl_s"), [(0, "tieu-hoc", True, 60), (3, "staff", False, 300)])
def test_a_row_follows_its_tier(place, tier, pupils, ttl_s):
    row = rows().by_place[place]
    assert (row.tier, row.pupils, row.allow_ttl_s, row.plain.ttl_s) == (tier, pupils, ttl_s, ttl_s)


@pytest.mark.parametrize(
    ("profile", "closed"),
    [
        pytest.param(Profile("p", text("P")), {"adult", "games", "streaming"}, id="the tier's"),
        pytest.param(Profile("p", text("P"), allow=Rules(("games",))), {"adult", "streaming"}, id="less what it opens"),
        pytest.param(Profile("p", text("P"), block=Rules(("malware",))), set(schools.CATEGORIES), id="and more"),
        pytest.param(Profile("p", text("P"), Rules(("games",)), Rules(("games",))), {"adult", "streaming"}, id="a tie"),
    ],
)
def test_a_profile_opens_and_closes_categories_of_its_tier(profile, closed):
    policy = replace(POLICY, profiles=(profile,), places=(replace(POLICY.places[0], profile="p"),))
    row = rows(policy=policy).by_place[0]
    assert row.closed == INDEX.bits(closed)
    assert row.closed_by_tier == INDEX.bits(("adult", "games", "streaming"))


def test_the_latest_override_with_a_profile_names_it():
    overrides = [Override("3a", SOON, profile=profile) for profile in ("exam", "video", None)]
    row = rows(*overrides).by_place[0]
    assert (row.profile, row.allow_list_only) == ("video", False)


def test_later_overrides_speak_after_earlier_ones_about_categories():
    opened = Override("3a", SOON, allow=Rules(("games",)))
    closed = Override("3a", SOON, block=Rules(("games",)))
    assert not rows(closed, opened).by_place[0].closed & INDEX.bits(("games",))
    assert rows(opened, closed).by_place[0].closed & INDEX.bits(("games",))


def test_an_override_rebuilds_rows_and_never_the_index():
    before = schools.snapshot()
    after = type(before)(before.policy, before.table, Overrides((Override("3a", SOON, profile="exam"),)), NOW, before)
    assert after.index is before.index
    assert after.matrix.by_place[0].profile == "exam"


# -- how long a matrix holds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "places", "tiers", "valid_until"),
    [
        pytest.param((), {}, {}, None, id="for ever"),
        pytest.param((Override("3a", SOON),), {}, {}, SOON, id="until an override ends"),
        pytest.param((Override("3a", SOON + 9, SOON),), {}, {}, SOON, id="until one begins"),
        pytest.param((Override("3a", int(NOW)),), {}, {}, None, id="one that is over changes nothing"),
        pytest.param((), {"enforce": "observe", "observe_until": SOON}, {}, SOON, id="until a class is enforced"),
        pytest.param((), {}, {"enforce": "observe", "observe_until": SOON}, SOON, id="until a tier is"),
        pytest.param(
            (Override("3a", SOON + 1),), {"enforce": "observe", "observe_until": SOON}, {}, SOON, id="the first of them"
        ),
    ],
)
def test_a_matrix_holds_until_a_row_changes_by_itself(overrides, places, tiers, valid_until):
    policy = replace(
        POLICY,
        places=(replace(POLICY.places[0], **places),),
        tiers=(*(replace(t, **tiers) for t in POLICY.tiers),),
    )
    assert rows(*overrides, policy=policy).valid_until == valid_until


# -- the timetable ----------------------------------------------------------------------------------------------------

LAB = replace(POLICY.places[3], id="lab", subnets=("127.0.210.0/24",), kind="room")
TAUGHT = replace(POLICY, places=(*POLICY.places, LAB), timetable=TIMETABLE)
PERIOD_1, BREAK, PERIOD_3 = (moment(f"2026-11-23 {time}") for time in ("07:10", "08:40", "09:00"))


def lab(now: int, *overrides: Override, policy=TAUGHT) -> matrix.Row:
    return rows(*overrides, policy=policy, now=now).by_place[-1]


def test_a_room_has_the_very_row_of_the_class_that_is_in_it():
    made = rows(policy=TAUGHT, now=PERIOD_1)
    assert made.by_place[-1] is made.by_place[1]
    assert (made.by_place[-1].tier, made.by_place[-1].profile) == ("thcs", "video")


def test_a_room_has_its_own_row_when_nobody_is_in_it():
    assert (lab(BREAK).tier, lab(BREAK).profile, lab(BREAK).pupils) == ("staff", "learning", False)


def test_a_period_s_profile_holds_for_its_class_in_every_place():
    made = rows(policy=TAUGHT, now=PERIOD_3)
    assert [(made.by_place[at].tier, made.by_place[at].profile) for at in (0, -1)] == [("tieu-hoc", "video")] * 2


def test_a_profile_that_is_gone_leaves_the_class_s_own():
    policy = replace(TAUGHT, profiles=tuple(p for p in POLICY.profiles if p.id != "video"))
    assert lab(PERIOD_3, policy=policy).profile == "learning"


def test_what_a_teacher_sets_for_the_class_goes_with_it_and_before_the_timetable():
    exam = Override("3a", PERIOD_3 + 600, profile="exam")
    assert lab(PERIOD_3, exam).profile == "exam"
    assert lab(BREAK, exam).profile == "learning"


def test_what_is_set_for_the_room_holds_whoever_is_in_it():
    shut = Override("lab", PERIOD_3 + 600, block=Rules(categories=("streaming",)))
    assert all(lab(now, shut).closed & INDEX.bits(("streaming",)) for now in (PERIOD_1, BREAK, PERIOD_3))


@pytest.mark.parametrize("scope", ["lab", "7-3"])
def test_names_of_the_school_for_the_room_or_its_class_hold_there(scope):
    entry = SchoolName("x.example", False, classes=(scope,))
    made = rows(policy=replace(TAUGHT, names=(entry,)), now=PERIOD_1).by_place[-1]
    assert any(e.rule.startswith("names.yaml block x.example") for found in made.effects.values() for e in found)


def test_a_room_that_observes_blocks_for_a_class_that_does_not():
    policy = replace(TAUGHT, places=(*POLICY.places, replace(LAB, enforce="observe", observe_until=PERIOD_3 + 9999)))
    assert [lab(now, policy=policy).observe for now in (PERIOD_1, BREAK)] == [False, True]


@pytest.mark.parametrize(
    ("now", "until"), [(PERIOD_1, "08:35"), (BREAK, "08:55"), (PERIOD_3, "09:40")], ids=["lesson", "break", "the last"]
)
def test_a_matrix_holds_until_the_next_change_of_the_timetable(now, until):
    assert rows(policy=TAUGHT, now=now).valid_until == moment(f"2026-11-23 {until}")


def test_a_matrix_holds_until_whatever_comes_first():
    assert rows(Override("3a", PERIOD_1 + 60), policy=TAUGHT, now=PERIOD_1).valid_until == PERIOD_1 + 60
