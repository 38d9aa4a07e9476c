import datetime

import pytest

from filterd.config import advice, load
from filterd.core.policy import SchoolName
from tests import configs

TODAY = datetime.date(2026, 11, 21)


@pytest.fixture
def config(tmp_path):
    return configs.write(tmp_path)


def warnings(config, today: datetime.date = TODAY) -> list[str]:
    return advice.warnings(load.load_all(config), sorted(load.POLICY_MODELS), today)


@pytest.mark.parametrize(
    ("rule", "other", "covered"),
    [
        ("a.vn", "a.vn", True),
        ("a.vn", "b.a.vn", True),
        ("a.vn", "=a.vn", True),
        ("=a.vn", "=a.vn", True),
        ("=a.vn", "a.vn", False),
        ("b.a.vn", "a.vn", False),
        ("a.vn", "ba.vn", False),
    ],
)
def test_a_rule_covers_what_is_below_it(rule, other, covered):
    assert advice.covers(rule, other) is covered


ABOUT = [
    (SchoolName("moet.gov.vn", False), "has no effect: moet.gov.vn is must-allow (floor.yaml, contacts.yaml)"),
    (SchoolName("=moet.gov.vn", True), "has no effect: moet.gov.vn is must-allow"),
    (SchoolName("example.vn", False), "leaves open what is must-allow: =time.example.vn"),
    (SchoolName("x.tro-choi.example", True), "has no effect: block tro-choi.example for the whole school comes first"),
    (SchoolName("x.tro-choi.example", False, ("thcs",)), "adds nothing: block tro-choi.example for the whole school"),
    (SchoolName("good.example", True), None),
    (SchoolName("bad.example", False), None),
]


@pytest.mark.parametrize(("entry", "message"), ABOUT, ids=[f"{e.allow}-{e.name}" for e, _ in ABOUT])
def test_an_entry_without_effect_says_why(config, entry, message):
    found = list(advice.about_name(load.load(config), entry))
    if message is None:
        assert found == []
    else:
        assert len(found) == 1
        assert message in found[0]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            SchoolName("may-in.truong.lan", False),
            "has no effect: local.yaml answers truong.lan and everything below it",
        ),
        (SchoolName("ipad.lan", True), "has no effect: local.yaml answers lan and everything below it"),
        (SchoolName("truong.vn", False), "leaves www.truong.vn as local.yaml has it"),
        (SchoolName("=truong.vn", False), None),
    ],
)
def test_what_local_yaml_answers_is_told(config, entry, message):
    text = "zones: [truong.lan]\nhosts: {www.truong.vn: 10.0.0.1}\nleases: {domain: lan, files: [x], tiers: [staff]}\n"
    (config / "policies/local.yaml").write_text(text)
    assert list(advice.about_name(load.load(config), entry)) == ([message] if message else [])


def test_an_engine_that_is_opened_stays_in_safe_mode(config):
    policy = load.load(config)
    (told,) = advice.about_name(policy, SchoolName("tim.example", True, (), ("3a",)))
    assert told.startswith("opens www.tim.example in safe mode only")
    assert list(advice.about_name(policy, SchoolName("tim.example", True))) == [told]
    assert list(advice.about_name(policy, SchoolName("tim.example", True, ("staff",)))) == []
    assert list(advice.about_name(policy, SchoolName("=tim.example", True))) == []


def test_a_block_for_one_tier_leaves_an_allow_for_another_its_effect(config):
    configs.change(config, "policies/names.yaml", "- tro-choi.example", "- {name: tro-choi.example, tiers: [thcs]}")
    policy = load.load(config)
    assert list(advice.about_name(policy, SchoolName("tro-choi.example", True, ("staff",)))) == []
    assert list(advice.about_name(policy, SchoolName("tro-choi.example", True))) == []
    assert list(advice.about_name(policy, SchoolName("tro-choi.example", True, ("thcs",)))) != []


def test_a_demo_is_told_that_it_is_one(config):
    assert warnings(config) == [
        "policies/classes.yaml: loopback subnets, as in the demo: 3a, staff-room; put the school's own",
        "policies/school.yaml: listens on this machine only; add the box's address to listen",
    ]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("classes", "subnets: [127.0.31.0/24]", "subnets: []", "'3a' has no subnets, so no device is ever in it"),
        (
            "tiers",
            "[adult, games, streaming]",
            "[malware]",
            "'tieu-hoc' is for pupils and closes nothing beyond the floor",
        ),
        (
            "tiers",
            "grades: 6-9",
            "enforce: observe\n    observe_until: 2026-12-01",
            "'thcs' only observes, until 2026-12-01",
        ),
        (
            "tiers",
            "grades: 6-9",
            "enforce: observe\n    observe_until: 2026-11-01",
            "'thcs' blocks again: observe ended 2026-11-01",
        ),
        ("names", "- tro-choi.example", "- moet.gov.vn", "block moet.gov.vn for the whole school has no effect"),
        (
            "names",
            "- tro-choi.example",
            "- b.example\n  - b.example",
            "b.example for the whole school stands there twice",
        ),
        ("contacts", "2026-11-01", "null", "never verified: tong-dai-111; call, then write verified_on"),
        ("contacts", "2026-11-01", "2024-11-01", "verified more than a year ago: tong-dai-111; call again"),
    ],
)
def test_what_is_valid_and_not_meant_is_told(config, file, old, new, message):
    before = warnings(config)
    configs.change(config, f"policies/{file}.yaml", old, new)
    new_ones = [warning for warning in warnings(config) if warning not in before]
    assert any(message in warning for warning in new_ones)


def test_a_file_nobody_reads_is_told(config):
    found = advice.warnings(load.load_all(config), ["clases.yaml"], TODAY)
    assert found[0].startswith("policies/clases.yaml: is not read; the files are classes.yaml, contacts.yaml")
