import pytest

from filterd.config import crosscheck, load, yamltree
from filterd.config.schema_sources import Sources
from tests import configs

FOLDERS = {**dict.fromkeys(load.POLICY_MODELS, "policies"), "sources.yaml": "blocklists"}


def complaints(*changes: tuple[str, str, str]) -> list[str]:
    texts = {name.partition("/")[2]: text for name, text in configs.FILES.items() if name.endswith(".yaml")}
    for file, old, new in changes:
        assert texts[file].count(old) == 1, f"{old!r} in {file}"
        texts[file] = texts[file].replace(old, new)
    trees = {file: yamltree.read(text.encode(), file)[0] for file, text in texts.items()}
    return [str(problem) for problem in crosscheck.check(trees, FOLDERS)]


def test_a_valid_configuration_holds_together():
    assert complaints() == []


MISTAKES = [
    (
        "school.yaml",
        "{tier: tieu-hoc}",
        "{tier: tieuhoc}",
        "unknown_client.tier: 'tieuhoc' is not a tier; did you mean",
    ),
    ("tiers.yaml", "[adult, games, streaming]", "[adult, gamse]", "'gamse' is not a category; did you mean 'games'?"),
    ("profiles.yaml", "[youtube]", "[youtub]", "profiles.video.allow.services[0]: 'youtub' is not a service; did you"),
    (
        "classes.yaml",
        "profile: video",
        "profile: films",
        "classrooms[1].profile: 'films' is not a profile; there is exam",
    ),
    ("floor.yaml", "categories: [malware]", "categories: [malwares, malware]", "'malwares' is not a category; did you"),
    ("services.yaml", "category: streaming", "category: film", "services.youtube.category: 'film' is not a category"),
    ("services.yaml", "services: [olm]", "services: [old]", "bundles.exam-basic.services[0]: 'old' is not a service"),
    ("names.yaml", "tiers: [thcs]", "classes: [7-4]", "'7-4' is not a class or room; did you mean '7-3'?"),
    ("sources.yaml", "category: adult", "category: porn", "sources[0].category: 'porn' is not a category; there is"),
    (
        "classes.yaml",
        "id: staff-room",
        "id: 3a",
        "classes.yaml:5 rooms[0].id: '3a' is the id of two; the first is in line 2",
    ),
    (
        "classes.yaml",
        "[127.0.200.0/24]",
        "[127.0.31.0/24]",
        "127.0.31.0/24 is already a subnet of '3a'; one place only",
    ),
    (
        "classes.yaml",
        "[127.0.200.0/24]",
        "[192.168.1.0/24]",
        "192.168.1.0/24 is outside the school's networks (127.0.0.0/8",
    ),
    ("classes.yaml", "profile: video", "interfaces: [eth0.200]", "'eth0.200' is already an interface of '7-3'"),
    (
        "classes.yaml",
        "profile: video",
        "enforce: observe",
        "classrooms[1].enforce: observe must end: add observe_until",
    ),
    (
        "tiers.yaml",
        "pupils: false",
        "pupils: false\n    observe_until: 2026-12-31",
        "means nothing without enforce: observe",
    ),
    (
        "profiles.yaml",
        "{services: [youtube]}",
        "{categories: [malware]}",
        "'malware' is in the floor (floor.yaml); no profile",
    ),
    ("services.yaml", "category: streaming", "category: malware", "category 'malware' of 'youtube' is in the floor"),
    (
        "floor.yaml",
        "category: malware",
        "category: adult",
        "'adult' is not in the floor's categories, so the slot locks",
    ),
    ("profiles.yaml", "  learning:", "  study:", "'learning' is missing; it is every class's profile by default"),
    (
        "profiles.yaml",
        "allow: {bundles: [exam-basic], names: [thi.example.vn]}",
        "allow: {bundles: []}",
        "profiles.yaml:7 profiles.exam: an allow-list that opens nothing; list what is open under allow",
    ),
    (
        "profiles.yaml",
        "    allow: {bundles: [exam-basic], names: [thi.example.vn]}\n",
        "",
        "profiles.exam: an allow-list that opens nothing",
    ),
    (
        "profiles.yaml",
        "allow: {services: [youtube]}",
        "allow: {services: [youtube]}\n    block: {services: [olm, youtube]}",
        "profiles.video: 'youtube' is under both allow.services and block.services; keep one",
    ),
    (
        "school.yaml",
        "workers: 1",
        "block_answer: {mode: gateway}",
        "block_answer.mode: gateway needs the box's address",
    ),
    ("tiers.yaml", "answer: nxdomain", "answer: gateway", "categories.malware.answer: gateway needs the box's address"),
    ("sources.yaml", "file:curated/adult.txt", "http://example.org/x", "sources[0].url: plain http: can be altered"),
]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    MISTAKES,
    ids=lambda value: str(value)[:36],
)
def test_mistake_between_files_is_found(file, old, new, message):
    (found,) = complaints((file, old, new))
    assert message in found


def test_a_bundle_cannot_open_the_floor_either():
    (found,) = complaints(("services.yaml", "{vi: OLM, en: OLM}", "{vi: OLM, en: OLM}\n    category: malware"))
    assert "profiles.exam.allow.bundles[0]: category 'malware' of 'olm' is in the floor" in found


def test_offline_profile_may_open_nothing():
    assert "offline" in configs.FILES["policies/profiles.yaml"]
    assert complaints() == []


def test_nested_subnets_are_fine():
    assert complaints(("classes.yaml", "[127.0.200.0/24]", "[127.0.31.128/25]")) == []


def test_ipv6_is_never_inside_an_ipv4_network():
    (found,) = complaints(("school.yaml", ', "fd00::/16"]', "]"))
    assert "fd00:73::/64 is outside the school's networks" in found


def test_plain_http_is_accepted_where_the_source_says_so():
    url = ("sources.yaml", "url: file:curated/adult.txt", "url: http://example.org/x\n    allow_http: true")
    assert complaints(url) == []


def test_a_mirror_is_held_to_the_same_rule():
    mirror = (
        "sources.yaml",
        "format: domains",
        "format: domains\n    mirrors: [https://a.example/x, http://b.example/x]",
    )
    (found,) = complaints(mirror)
    assert "sources[0].mirrors[1]" in found


def test_every_reference_points_into_a_model():
    for file, pattern, kind in crosscheck.REFERENCES:
        model = {**load.POLICY_MODELS, "sources.yaml": Sources}[file]
        assert pattern.partition(".")[0] in model.model_fields
        assert kind in crosscheck.DEFINED
