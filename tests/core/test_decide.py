"""The precedence: every step against every later one, and an independent slow reading of the same ten rules."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterd.core import matrix, names
from filterd.core.decide import decide, decide_target
from filterd.core.overrides import Override
from filterd.core.policy import Floor, Policy, Profile, Rules, SchoolName, Service, Tier
from filterd.core.snapshot import Snapshot
from filterd.core.verdict import Action, Reason, Verdict
from tests import schools
from tests.schools import NOW, POLICY, text

NAME = "x.example"
UNTIL = int(NOW) + 600


def judged(snapshot: Snapshot, place: str | None, name: str) -> Verdict:
    return decide(snapshot, schools.row(snapshot, place), names.key_of_text(name))


# -- each step against each later one ---------------------------------------------------------------------------------

Speakers = dict[str, bool]
STEPS = {
    "authority": (1, Action.BLOCK),
    "must_allow": (2, Action.ALLOW),
    "floor": (3, Action.BLOCK),
    "school_block": (4, Action.BLOCK),
    "override allow": (5, Action.ALLOW),
    "override block": (5, Action.BLOCK),
    "profile allow": (6, Action.ALLOW),
    "profile block": (6, Action.BLOCK),
    "allow_list_only": (7, Action.BLOCK),
    "school_allow": (8, Action.ALLOW),
    "category": (9, Action.BLOCK),
}


def school_where(speakers: set[str], enforce: str = "block") -> Snapshot:
    """A school in which exactly these steps have something to say about NAME in class 3a."""

    def if_(speaker: str, value: tuple[str, ...] = (NAME,)) -> tuple[str, ...]:
        return value if speaker in speakers else ()

    listed = {"malware": if_("floor"), "games": if_("category")}
    override = Override("3a", UNTIL, allow=Rules(names=if_("override allow")), block=Rules(names=if_("override block")))
    learning = Profile(
        "learning",
        text("Learning"),
        Rules(names=if_("profile allow")),
        Rules(names=if_("profile block")),
        "allow_list_only" in speakers,
    )
    school = [SchoolName(n, True) for n in if_("school_allow")] + [SchoolName(n, False) for n in if_("school_block")]
    policy = replace(
        POLICY,
        floor=Floor(("malware",), if_("must_allow"), if_("authority")),
        names=tuple(school),
        profiles=(learning, *POLICY.profiles[1:]),
        places=tuple(replace(place, enforce=enforce, observe_until=UNTIL) for place in POLICY.places),
    )
    return schools.snapshot(policy, listed, (override,))


@pytest.mark.parametrize("speaker", STEPS)
def test_a_step_that_speaks_alone_decides(speaker):
    verdict = judged(school_where({speaker}), "3a", NAME)
    step, action = STEPS[speaker]
    assert (verdict.step, verdict.action, verdict.reason) == (step, action, speaker.split()[0])


def test_where_nothing_speaks_the_name_is_allowed():
    assert judged(school_where(set()), "3a", NAME)[:4] == (Action.ALLOW, Reason.DEFAULT, 10, 60)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [pair for pair in combinations(STEPS, 2) if STEPS[pair[0]][0] != STEPS[pair[1]][0]],
    ids=lambda speaker: speaker,
)
def test_an_earlier_step_wins_over_a_later_one(earlier, later):
    verdict = judged(school_where({earlier, later}), "3a", NAME)
    assert (verdict.step, verdict.action) == STEPS[earlier]


@pytest.mark.parametrize("step", ["override", "profile"])
def test_allow_wins_a_tie(step):
    verdict = judged(school_where({f"{step} allow", f"{step} block"}), "3a", NAME)
    assert (verdict.action, verdict.reason) == (Action.ALLOW, step)


@given(st.sets(st.sampled_from(sorted(STEPS))))
def test_of_any_steps_the_first_decides_and_allow_wins_its_tie(speakers):
    verdict = judged(school_where(speakers), "3a", NAME)
    by_step = sorted((STEPS[s][0], STEPS[s][1] is Action.BLOCK) for s in speakers)
    step, blocks = by_step[0] if by_step else (10, False)
    assert (verdict.step, verdict.action is Action.BLOCK) == (step, blocks)


# -- within one step --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allow", "block", "asked", "action"),
    [
        pytest.param("a.example", "b.a.example", "b.a.example", Action.BLOCK, id="the longer block"),
        pytest.param("b.a.example", "a.example", "c.b.a.example", Action.ALLOW, id="the longer allow"),
        pytest.param("a.example", "a.example", "b.a.example", Action.ALLOW, id="a tie is an allow"),
        pytest.param("a.example", "=a.example", "a.example", Action.BLOCK, id="exactly beats subtree"),
        pytest.param("a.example", "=a.example", "b.a.example", Action.ALLOW, id="an exact rule covers nothing below"),
        pytest.param("=a.example", "a.example", "b.a.example", Action.BLOCK, id="nor does an exact allow"),
        pytest.param("=a.example", "=a.example", "a.example", Action.ALLOW, id="a tie of exact rules"),
        pytest.param("b.a.example", "a.example", "bb.a.example", Action.BLOCK, id="labels, not letters"),
        pytest.param("b.a.example", "example", "a.example", Action.BLOCK, id="an ancestor of a rule is not covered"),
    ],
)
@pytest.mark.parametrize("step", ["override", "profile"])
def test_the_longest_name_of_a_step_decides(step, allow, block, asked, action):
    rules = {"allow": Rules(names=(allow,)), "block": Rules(names=(block,))}
    if step == "override":
        snapshot = schools.snapshot(overrides=[Override("3a", UNTIL, **rules)])
    else:
        snapshot = schools.snapshot(replace(POLICY, profiles=(Profile("learning", text("L"), **rules),)))
    verdict = judged(snapshot, "3a", asked)
    assert (verdict.action, verdict.reason) == (action, step)


# -- what each part of a policy reaches -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "name", "action", "reason"),
    [
        pytest.param("3a", "www.youtube.com", Action.BLOCK, Reason.CATEGORY, id="service's category, no list needed"),
        pytest.param("7-3", "www.youtube.com", Action.ALLOW, Reason.PROFILE, id="service opened by the profile"),
        pytest.param("staff-room", "youtube.com", Action.ALLOW, Reason.DEFAULT, id="tier leaves the category open"),
        pytest.param("9b", "olm.vn", Action.ALLOW, Reason.PROFILE, id="service on the allow-list"),
        pytest.param("9b", "www.thi.example", Action.ALLOW, Reason.PROFILE, id="name on the allow-list"),
        pytest.param("9b", "example.org", Action.BLOCK, Reason.ALLOW_LIST_ONLY, id="not on the allow-list"),
        pytest.param("9b", "moet.gov.vn", Action.ALLOW, Reason.MUST_ALLOW, id="must-allow in an exam"),
        pytest.param("9b", "bad.example", Action.BLOCK, Reason.FLOOR, id="floor before the allow-list"),
        pytest.param("staff-room", "bad.example", Action.BLOCK, Reason.FLOOR, id="floor for staff"),
        pytest.param("7-3", "time.example", Action.ALLOW, Reason.MUST_ALLOW, id="exact must-allow"),
        pytest.param("7-3", "vi-du.edu.vn", Action.ALLOW, Reason.SCHOOL_ALLOW, id="school name for this tier"),
        pytest.param("3a", "vi-du.edu.vn", Action.ALLOW, Reason.DEFAULT, id="school name for another tier"),
        pytest.param("staff-room", "tro-choi.example", Action.BLOCK, Reason.SCHOOL_BLOCK, id="school name for all"),
        pytest.param(None, "games.example", Action.BLOCK, Reason.CATEGORY, id="unknown client gets its tier"),
        pytest.param(None, "tro-choi.example", Action.BLOCK, Reason.SCHOOL_BLOCK, id="unknown client, school name"),
        pytest.param("3a", "localhost", Action.ALLOW, Reason.SPECIAL_USE, id="special-use"),
        pytest.param("9b", "10.in-addr.arpa", Action.ALLOW, Reason.SPECIAL_USE, id="special-use in an exam"),
        pytest.param("staff-room", "use-application-dns.net", Action.BLOCK, Reason.BYPASS, id="canary"),
        pytest.param("9b", schools.BOX, Action.REWRITE, Reason.SPECIAL_USE, id="the box's own name"),
    ],
)
def test_a_class_gets_its_own_verdict(place, name, action, reason):
    assert judged(schools.snapshot(), place, name)[:2] == (action, reason)


@pytest.mark.parametrize(
    ("entry", "blocked"),
    [
        pytest.param({}, {"3a", "7-3", "9b", "staff-room", None}, id="the whole school"),
        pytest.param({"tiers": ("thcs",)}, {"7-3", "9b"}, id="one tier"),
        pytest.param({"classes": ("7-3",)}, {"7-3"}, id="one class"),
        pytest.param({"tiers": ("staff",), "classes": ("3a",)}, {"3a", "staff-room"}, id="a tier and a class"),
        pytest.param({"tiers": ("tieu-hoc",)}, {"3a", None}, id="the tier of unknown clients"),
    ],
)
def test_a_school_name_holds_where_its_scope_says(entry, blocked):
    snapshot = schools.snapshot(replace(POLICY, names=(SchoolName(NAME, False, **entry),)))
    places = ["3a", "7-3", "9b", "staff-room", None]
    assert {p for p in places if judged(snapshot, p, NAME).reason is Reason.SCHOOL_BLOCK} == blocked


def test_two_entries_for_one_name_are_both_heard():
    entries = (SchoolName(NAME, True, tiers=("thcs",)), SchoolName(NAME, False, classes=("9b",)))
    snapshot = schools.snapshot(replace(POLICY, names=entries))
    assert judged(snapshot, "7-3", NAME).reason is Reason.SCHOOL_ALLOW
    assert judged(snapshot, "9b", NAME).reason is Reason.SCHOOL_BLOCK


@pytest.mark.parametrize(
    ("override", "name", "action", "reason"),
    [
        pytest.param(Override("7-3", UNTIL, profile="exam"), "example.org", "block", "allow_list_only", id="exam"),
        pytest.param(Override("7-3", UNTIL, profile="learning"), "youtube.com", "allow", "default", id="learning"),
        pytest.param(
            Override("7-3", UNTIL, allow=Rules(categories=("games",))), "games.example", "allow", "default",
            id="open a category",
        ),
        pytest.param(
            Override("7-3", UNTIL, block=Rules(categories=("streaming",))), "youtube.com", "allow", "profile",
            id="a closed category does not close what the profile names",
        ),
        pytest.param(
            Override("7-3", UNTIL, block=Rules(services=("youtube",))), "youtube.com", "block", "override",
            id="close a service the profile opens",
        ),
        pytest.param(
            Override("7-3", UNTIL, allow=Rules(names=("games.example",))), "www.games.example", "allow", "override",
            id="open a name",
        ),
        pytest.param(
            Override("7-3", UNTIL, allow=Rules(categories=("malware",), names=("bad.example",))), "bad.example",
            "block", "floor", id="never the floor",
        ),
        pytest.param(
            Override("7-3", UNTIL, block=Rules(names=("moet.gov.vn",))), "moet.gov.vn", "allow", "must_allow",
            id="never must-allow",
        ),
        pytest.param(
            Override("7-3", UNTIL, allow=Rules(services=("gone",))), "games.example", "block", "category",
            id="a service that is no more",
        ),
        pytest.param(
            Override("7-3", UNTIL, profile="gone"), "youtube.com", "allow", "profile",
            id="a profile that is no more leaves the class's own",
        ),
        pytest.param(Override("3a", UNTIL, profile="exam"), "example.org", "allow", "default", id="another class"),
        pytest.param(Override("7-3", int(NOW), profile="exam"), "example.org", "allow", "default", id="over"),
        pytest.param(
            Override("7-3", UNTIL, since=int(NOW) + 1, profile="exam"), "example.org", "allow", "default",
            id="not yet",
        ),
    ],
)  # fmt: skip
def test_an_override_changes_its_class_for_a_while(override, name, action, reason):
    assert judged(schools.snapshot(overrides=[override]), "7-3", name)[:2] == (action, reason)


# -- TTLs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "name", "ttl_s"),
    [
        pytest.param("3a", "adult.example", 10, id="blocked"),
        pytest.param("staff-room", "adult.example", 10, id="blocked for staff"),
        pytest.param("3a", "example.org", 60, id="pupils"),
        pytest.param("staff-room", "example.org", 300, id="staff"),
        pytest.param("7-3", "youtube.com", 10, id="a service that a profile toggles"),
        pytest.param("staff-room", "youtube.com", 300, id="the same for staff"),
        pytest.param("3a", "olm.vn", 10, id="opened by another profile"),
        pytest.param("3a", "moet.gov.vn", 60, id="must-allow"),
        pytest.param("staff-room", "moet.gov.vn", 300, id="must-allow, staff"),
        pytest.param("7-3", "vi-du.edu.vn", 60, id="school name"),
    ],
)
def test_an_answer_may_live_as_long_as_it_can_be_right(place, name, ttl_s):
    assert judged(schools.snapshot(), place, name).ttl_s == ttl_s


def test_a_name_in_a_category_that_some_profile_toggles_lives_ten_seconds():
    free = replace(POLICY, places=(replace(POLICY.places[1], profile="free"),))
    verdict = judged(schools.snapshot(free), "7-3", "games.example")
    assert (verdict.action, verdict.reason, verdict.ttl_s, verdict.category) == ("allow", "default", 10, "games")


def test_a_name_that_an_override_opens_lives_ten_seconds():
    override = Override("7-3", UNTIL, allow=Rules(names=("example.org",)))
    assert judged(schools.snapshot(overrides=[override]), "7-3", "example.org").ttl_s == 10


# -- observe ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("speaker", [s for s, (_, action) in STEPS.items() if action is Action.BLOCK])
def test_observe_counts_a_block_but_lets_it_pass_the_floor_excepted(speaker):
    verdict = judged(school_where({speaker}, enforce="observe"), "3a", NAME)
    step, _ = STEPS[speaker]
    passes = step > 3
    assert (verdict.action is Action.ALLOW, verdict.observed, verdict.step) == (passes, passes, step)
    assert verdict.ttl_s == 10


def test_observe_ends():
    snapshot = school_where({"category"}, enforce="observe")
    assert judged(snapshot.at(UNTIL - 1), "3a", NAME).observed
    assert judged(snapshot.at(UNTIL), "3a", NAME)[:2] == (Action.BLOCK, Reason.CATEGORY)


def test_a_tier_that_is_observed_leaves_other_tiers_alone():
    tiers = tuple(replace(t, enforce="observe", observe_until=UNTIL) if t.id == "thcs" else t for t in POLICY.tiers)
    snapshot = schools.snapshot(replace(POLICY, tiers=tiers))
    assert judged(snapshot, "7-3", "adult.example").observed
    assert judged(snapshot, "3a", "adult.example").action is Action.BLOCK


# -- CNAME targets ----------------------------------------------------------------------------------------------------

DOWN_TO = {"must_allow": 2, "override allow": 5, "profile allow": 6, "school_allow": 8, "nothing": 10}
TARGET_RULES = [  # what blocks the target, and the questions it may not be reached from
    ("authority", {"must_allow", "override allow", "profile allow", "school_allow", "nothing"}),
    ("floor", {"override allow", "profile allow", "school_allow", "nothing"}),
    ("school_block", {"override allow", "profile allow", "school_allow", "nothing"}),
    ("override block", set()),
    ("profile block", set()),
    ("allow_list_only", set()),
    ("category", {"nothing"}),
]


@pytest.mark.parametrize("question", DOWN_TO)
@pytest.mark.parametrize(("blocker", "blocked_from"), TARGET_RULES, ids=[name for name, _ in TARGET_RULES])
def test_a_target_is_judged_by_the_steps_its_question_leaves(question, blocker, blocked_from):
    snapshot = school_where({blocker})
    asked = Verdict(Action.ALLOW, Reason.DEFAULT, DOWN_TO[question], 60)
    found = decide_target(snapshot, schools.row(snapshot, "3a"), names.key_of_text(NAME), asked)
    assert (found is not None) == (question in blocked_from)
    assert found is None or found.step == STEPS[blocker][0]


def test_an_observed_category_block_still_judges_its_targets_without_blocking():
    snapshot = school_where({"category"}, enforce="observe")
    asked = Verdict(Action.ALLOW, Reason.CATEGORY, 9, 10, observed=True)
    assert decide_target(snapshot, schools.row(snapshot, "3a"), names.key_of_text(NAME), asked) is None


@pytest.mark.parametrize("protector", ["must_allow", "override allow", "profile allow", "school_allow"])
def test_what_opens_a_name_protects_it_as_a_target(protector):
    snapshot = school_where({protector, "category"})
    asked = Verdict(Action.ALLOW, Reason.DEFAULT, 10, 60)
    assert decide_target(snapshot, schools.row(snapshot, "3a"), names.key_of_text(NAME), asked) is None


@pytest.mark.parametrize("protector", ["override allow", "profile allow", "school_allow"])
def test_nothing_but_must_allow_protects_a_target_from_the_floor(protector):
    snapshot = school_where({protector, "floor"})
    asked = Verdict(Action.ALLOW, Reason.DEFAULT, 10, 60)
    found = decide_target(snapshot, schools.row(snapshot, "3a"), names.key_of_text(NAME), asked)
    assert found is not None
    assert found.reason is Reason.FLOOR


# -- evidence ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        pytest.param({}, "tier tieu-hoc: games", id="closed by the tier"),
        pytest.param({"tiers": (Tier("tieu-hoc", text("T"), ()),)}, "profile learning or an override: games", id="not"),
    ],
)
def test_evidence_names_who_closed_a_category(changes, rule):
    learning = Profile("learning", text("L"), block=Rules(categories=("games",)))
    places = (replace(POLICY.places[0], profile="learning"),)
    policy = replace(POLICY, profiles=(learning,), places=places, **changes)
    assert judged(schools.snapshot(policy), "3a", "games.example").rule == rule


def test_classes_with_like_overrides_are_each_told_their_own_end():
    overrides = [Override(p, UNTIL + n, block=Rules(names=(NAME,))) for n, p in enumerate(("7-3", "9b"))]
    snapshot = schools.snapshot(replace(POLICY, places=tuple(replace(p, profile="video") for p in POLICY.places)),
                                overrides=overrides)  # fmt: skip
    rules = {judged(snapshot, place, NAME).rule for place in ("7-3", "9b")}
    assert rules == {f"override until {UNTIL}: {NAME}", f"override until {UNTIL + 1}: {NAME}"}


# -- the same ten rules, read slowly ----------------------------------------------------------------------------------

UNIVERSE = ["a", "b.a", "c.b.a", "d.c.b.a", "b", "a.b", "test", "x.test", "c.a"]
entries = st.sampled_from(UNIVERSE + ["=" + name for name in UNIVERSE])
lists = st.lists(entries, max_size=2).map(tuple)
services = st.lists(st.sampled_from(["s1", "s2"]), max_size=2, unique=True).map(tuple)
categories = st.lists(st.sampled_from(schools.CATEGORIES), max_size=2, unique=True).map(tuple)
rules_of = st.builds(Rules, categories, services, lists)
profiles_of = st.tuples(
    st.builds(Profile, st.just("p1"), st.just(text("p1")), rules_of, rules_of, st.booleans()),
    st.builds(Profile, st.just("p2"), st.just(text("p2")), rules_of, rules_of, st.booleans()),
)
services_of = st.tuples(
    *(
        st.builds(Service, st.just(s), st.just(text(s)), lists, st.none() | st.sampled_from(schools.CATEGORIES))
        for s in ("s1", "s2")
    )
)
school_names = st.lists(
    st.builds(
        SchoolName,
        entries,
        st.booleans(),
        st.sampled_from([(), ("t1",), ("t2",)]),
        st.sampled_from([(), ("c1",), ("c2",)]),
    ),
    max_size=4,
).map(tuple)
tiers_of = st.tuples(
    *(
        st.builds(
            Tier,
            st.just(t),
            st.just(text(t)),
            categories,
            st.booleans(),
            st.sampled_from(["block", "block", "observe"]),
            st.just(UNTIL),
        )
        for t in ("t1", "t2")
    )
)
PLACES = tuple(
    replace(POLICY.places[0], id=c, tier=t, profile=p, subnets=())
    for c, t, p in (("c1", "t1", "p1"), ("c2", "t2", "p2"))
)
policies = st.builds(
    lambda tiers, profiles, services, school, floor, unknown: replace(
        POLICY, tiers=tiers, profiles=profiles, services=services, names=school, floor=floor, places=PLACES,
        unknown_client_tier=unknown, block_answer=replace(POLICY.block_answer, box_name=None),
    ),
    tiers_of, profiles_of, services_of, school_names, st.builds(Floor, categories, lists, lists),
    st.sampled_from(["t1", "t2"]),
)  # fmt: skip
overrides_of = st.lists(
    st.builds(
        Override,
        st.sampled_from(["c1", "c2"]),
        st.sampled_from([int(NOW), UNTIL]),
        st.sampled_from([0, int(NOW), int(NOW) + 1]),
        st.sampled_from([None, None, "p1", "p2", "gone"]),
        rules_of,
        rules_of,
    ),
    max_size=2,
)
listed_of = st.fixed_dictionaries(dict.fromkeys(schools.CATEGORIES, lists))


Listed = dict[str, tuple[str, ...]]


class Slow:
    """Reads policy, lists and overrides anew for every name, with text and no index."""

    def __init__(self, policy: Policy, listed: Listed, overrides: list[Override], place: str | None) -> None:
        self.policy, self.listed = policy, listed
        self.place = next((p for p in policy.places if p.id == place), None)
        tier = self.place.tier if self.place else policy.unknown_client_tier
        self.tier = next(t for t in policy.tiers if t.id == tier)
        self.overrides = [o for o in overrides if o.place == place and o.since <= NOW < o.until]
        by_id = {p.id: p for p in policy.profiles}
        self.profile = by_id.get(self.place.profile) if self.place else None
        for override in self.overrides:
            self.profile = by_id.get(override.profile or "", self.profile)

    def verdict(self, name: str) -> tuple[int, bool, bool, int]:
        """(step, block, observed, TTL)."""
        step, block = self.step(name)
        observed = block and step > 3 and self.tier.enforce == "observe"
        return step, block and not observed, observed, 10 if block else self.ttl_s(name, step)

    def step(self, name: str) -> tuple[int, bool]:
        floor = self.policy.floor
        if any(covers(e, name) for e in floor.authority_block):
            return 1, True
        if any(covers(e, name) for e in floor.must_allow):
            return 2, False
        if self.categories(name) & set(floor.categories):
            return 3, True
        if self.school(name, allow=False):
            return 4, True
        for step, sides in ((5, [(o.allow, o.block) for o in self.overrides]), (6, self.profile_sides())):
            found = [(length(e), allow) for pair in sides for allow, rules in zip((True, False), pair, strict=True)
                     for e in self.entries(rules) if covers(e, name)]  # fmt: skip
            if found:
                return step, not max(found)[1]
        if self.profile and self.profile.allow_list_only:
            return 7, True
        if self.school(name, allow=True):
            return 8, False
        return (9, True) if self.categories(name) & self.closed() else (10, False)

    def profile_sides(self) -> list[tuple[Rules, Rules]]:
        return [(self.profile.allow, self.profile.block)] if self.profile else []

    def entries(self, rules: Rules) -> list[str]:
        of_services = [n for s in self.policy.services if s.id in rules.services for n in s.names]
        return [*rules.names, *of_services]

    def categories(self, name: str) -> set[str]:
        found = {c for c, entries in self.listed.items() if any(covers(e, name) for e in entries)}
        return found | {s.category for s in self.policy.services if s.category and covered(s.names, name)}

    def school(self, name: str, allow: bool) -> bool:
        return any(
            n.allow == allow and covers(n.name, name)
            and (not (n.tiers or n.classes) or self.tier.id in n.tiers or (self.place and self.place.id in n.classes))
            for n in self.policy.names
        )  # fmt: skip

    def closed(self) -> set[str]:
        closed = set(self.tier.block)
        for allow, block in self.profile_sides() + [(o.allow, o.block) for o in self.overrides]:
            closed = (closed | set(block.categories)) - set(allow.categories)
        return closed

    def ttl_s(self, name: str, step: int) -> int:
        if not self.tier.pupils:
            return 300
        sides = [rules for p in self.policy.profiles for rules in (p.allow, p.block)]
        toggled = any(covers(e, name) for rules in sides for e in self.entries(rules))
        if step == 10:
            toggled = toggled or bool(self.categories(name) & {c for rules in sides for c in rules.categories})
        return 10 if toggled or step in (5, 6) else 60


def covers(entry: str, name: str) -> bool:
    return name == entry[1:] if entry.startswith("=") else name == entry or name.endswith("." + entry)


def covered(entries: tuple[str, ...], name: str) -> bool:
    return any(covers(entry, name) for entry in entries)


def length(entry: str) -> tuple[int, bool]:
    return entry.count("."), entry.startswith("=")


@settings(max_examples=300, deadline=None)
@given(policies, listed_of, overrides_of, st.sampled_from(["c1", "c2", None]))
def test_a_slow_reading_of_the_rules_agrees_on_every_name(policy, listed, overrides, place):
    snapshot = schools.snapshot(policy, listed, overrides)
    slow = Slow(policy, listed, overrides, place)
    for name in UNIVERSE:
        verdict = judged(snapshot, place, name)
        if verdict.step:
            got = (verdict.step, verdict.action is Action.BLOCK, verdict.observed, verdict.ttl_s)
            assert got == slow.verdict(name), name
        else:
            assert name.endswith("test")


@settings(max_examples=200, deadline=None)
@given(policies, listed_of, overrides_of, st.sampled_from(["c1", "c2", None]))
def test_no_policy_opens_the_floor_and_none_closes_must_allow(policy, listed, overrides, place):
    snapshot = schools.snapshot(policy, listed, overrides)
    slow = Slow(policy, listed, overrides, place)
    for name in UNIVERSE:
        verdict = judged(snapshot, place, name)
        must_allow = any(covers(e, name) for e in policy.floor.must_allow)
        authority = any(covers(e, name) for e in policy.floor.authority_block)
        if verdict.step and (authority or (slow.categories(name) & set(policy.floor.categories) and not must_allow)):
            assert verdict.action is Action.BLOCK
        if verdict.step and must_allow and not authority:
            assert verdict.action is Action.ALLOW


@settings(max_examples=200, deadline=None)
@given(policies, listed_of, overrides_of, st.sampled_from(["c1", "c2", None]), st.sampled_from([2, 5, 6, 8, 9, 10]))
def test_a_slow_reading_of_the_target_rules_agrees(policy, listed, overrides, place, step):
    snapshot = schools.snapshot(policy, listed, overrides)
    slow = Slow(policy, listed, overrides, place)
    judged_by = {1} | ({3, 4} if step != 2 else set()) | ({9} if step >= 9 else set())
    for name in UNIVERSE:
        asked = Verdict(Action.ALLOW, Reason.DEFAULT, step, 60)
        found = decide_target(snapshot, schools.row(snapshot, place), names.key_of_text(name), asked)
        blocks = target_blocked(slow, name, judged_by)
        assert (found is not None) == blocks, name


def target_blocked(slow: Slow, name: str, judged_by: set[int]) -> bool:
    """Steps in order; allows of 2, 5, 6 and 8 protect, blocks count only in `judged_by`."""
    if any(covers(e, name) for e in slow.policy.floor.authority_block):
        return True
    if any(covers(e, name) for e in slow.policy.floor.must_allow):
        return False
    if 3 in judged_by and slow.categories(name) & set(slow.policy.floor.categories):
        return True
    lifted = slow.tier.enforce == "observe"
    if 4 in judged_by and slow.school(name, allow=False):
        return not lifted
    sides = [o.allow for o in slow.overrides] + [allow for allow, _ in slow.profile_sides()]
    if any(covers(e, name) for rules in sides for e in slow.entries(rules)) or slow.school(name, allow=True):
        return False
    return 9 in judged_by and bool(slow.categories(name) & slow.closed()) and not lifted


def test_the_numbers_of_the_steps_are_those_of_the_docstring():
    from filterd.core import decide as module

    lines = [line.split() for line in (module.__doc__ or "").splitlines() if line.strip()[:2].rstrip(".").isdigit()]
    documented = {words[1]: int(words[0].rstrip(".")) for words in lines}
    assert documented == {"special_use": 0} | {
        name: getattr(matrix, name.upper()) for name in documented if name != "special_use"
    }
    assert len(documented) == 11
