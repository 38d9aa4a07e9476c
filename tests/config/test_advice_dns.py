import pytest

from filterd.config import advice_dns, load
from tests import configs

UPSTREAMS = 'upstreams: ["udp://127.0.0.1:5399"]\n'
STRICT, OTHERS = "    block: [adult, games]\n", "    block: [adult]\n"
TLS, UDP = "{url: 'tls://dns.quad9.net', addresses: [9.9.9.9]}", "udp://9.9.9.9"


@pytest.fixture
def config(tmp_path):
    return configs.write(tmp_path)


def warnings(config) -> list[str]:
    return list(advice_dns.warnings(load.load(config), sorted(load.POLICY_MODELS)))


def test_a_plain_school_needs_no_advice(config):
    assert warnings(config) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("tiers", STRICT, f"{STRICT}    safe_search: off\n", "tier 'thcs' is for pupils and has no safe search"),
        (
            "tiers",
            STRICT,
            f"{STRICT}    safe_search: {{tim: off}}\n",
            "tier 'thcs' is for pupils and has no safe search",
        ),
        ("tiers", OTHERS, f"{OTHERS}    safe_search: off\n", None),
        ("school", UPSTREAMS, f"upstreams: [{TLS}]\n", "a box whose clock is wrong can trust no certificate"),
        ("school", UPSTREAMS, f"upstreams: [{TLS}, {UDP}]\n", "while the former fail, questions travel plain"),
        ("school", UPSTREAMS, f"upstreams: [{UDP}, tcp://9.9.9.9]\n", None),
        ("school", UPSTREAMS, "upstreams: [udp://127.0.0.1:5300]\n", "udp://127.0.0.1:5300 is this box itself"),
        ("school", UPSTREAMS, f"{UPSTREAMS}conditional: {{com.vn: [{UDP}]}}\n", "'com.vn' is a public suffix"),
        ("school", UPSTREAMS, f"{UPSTREAMS}rebinding: {{allow: [edu.vn]}}\n", "'edu.vn' is a public suffix"),
        ("school", UPSTREAMS, f"{UPSTREAMS}conditional: {{lan: [{UDP}], 10.0.0.0/8: [{UDP}]}}\n", None),
        ("school", UPSTREAMS, f"{UPSTREAMS}rebinding: {{protect: false}}\n", "rebinding.protect is off"),
        (
            "school",
            UPSTREAMS,
            f"{UPSTREAMS}newly_seen: {{category: malware, days: 7}}\n",
            "newly_seen has no effect: no tier closes 'malware'",
        ),
        ("school", UPSTREAMS, f"{UPSTREAMS}newly_seen: {{category: games, days: 7}}\n", None),
        ("local", "zones: []", "zones: [truong.local]", "'truong.local' is for multicast DNS"),
        ("local", "zones: []", "zones: [truong.lan]", None),
        ("local", "zones: []", "zones: [vn]", "'vn' is answered here, so must-allow does not hold for moet.gov.vn"),
        ("local", "zones: []", "zones: [tim.example]", "answers www.tim.example by itself, so safe search does not"),
        ("local", "hosts: {}", "hosts: {www.tim.example: 10.0.0.1}", "answers www.tim.example by itself"),
        (
            "local",
            "leases: null",
            "leases: {domain: lan, files: [x], tiers: [thcs, staff]}",
            "leases are told to thcs; a device is often named after a child",
        ),
        ("local", "leases: null", "leases: {domain: lan, files: [x], tiers: [staff]}", None),
    ],
)
def test_what_is_valid_and_not_meant_is_told(config, file, old, new, message):
    configs.change(config, f"policies/{file}.yaml", old, new)
    found = warnings(config)
    if message is None:
        assert found == []
    else:
        assert len(found) == 1
        assert message in found[0]


def test_without_the_file_of_engines_it_says_where_one_is(config):
    (config / "policies" / "safesearch.yaml").unlink()
    (told,) = advice_dns.warnings(load.load(config), ["school.yaml"])
    assert told.startswith("policies/safesearch.yaml: is missing, so nobody has safe search; copy it")


def test_a_file_without_engines_is_told_too(config):
    (config / "policies" / "safesearch.yaml").write_text("engines: {}\n")
    assert warnings(config) == ["policies/safesearch.yaml: lists no engine, so nobody has safe search"]
