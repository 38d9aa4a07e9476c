import pytest

from filterd.config import load
from filterd.core.policy import SafeChoice, SafeMode, Service, Text
from tests import configs

SEARCH = """\
engines:
  tim:
    name: {vi: Tìm, en: Find}
    hosts: [www.tim.example, tim.example]
    modes: {on: {cname: safe.tim.example}}
    sources: [https://help.tim.example/safe]
  phim:
    name: {vi: Phim, en: Films}
    hosts: [www.phim.example]
    modes: {strict: {cname: strict.phim.example}, moderate: {ipv4: [192.0.2.7], ipv6: ["2001:db8::7"]}}
"""
ON, STRICT, MODERATE = SafeChoice("tim", "on"), SafeChoice("phim", "strict"), SafeChoice("phim", "moderate")


@pytest.fixture
def config(tmp_path):
    return configs.write(tmp_path, safesearch=SEARCH)


def tier(config, said: str = "", ident: str = "thcs"):
    if said:
        old = "    block: [adult, games]\n" if ident == "thcs" else "    block: [adult]\n"
        configs.change(config, "policies/tiers.yaml", old, f"{old}    {said}\n")
    return next(t for t in load.load(config).tiers if t.id == ident)


@pytest.mark.parametrize(
    ("said", "choices"),
    [
        ("", (ON, STRICT)),
        ("safe_search: on", (ON, STRICT)),
        ("safe_search: off", ()),
        ("safe_search: {phim: moderate}", (ON, MODERATE)),
        ("safe_search: {default: off, phim: moderate}", (MODERATE,)),
        ("safe_search: {default: off, phim: on}", (STRICT,)),
        ("safe_search: {tim: off}", (STRICT,)),
        ("safe_search: {}", (ON, STRICT)),
    ],
)
def test_a_tier_gets_the_modes_of_the_engines_that_are_on(config, said, choices):
    assert tier(config, said).safe_search == choices


@pytest.mark.parametrize(("said", "choices"), [("", ()), ("safe_search: on", (ON, STRICT))])
def test_for_others_than_pupils_it_is_off_until_somebody_says_on(config, said, choices):
    assert tier(config, said, "staff").safe_search == choices


@pytest.mark.parametrize(
    ("ident", "said", "strip_ech", "refuse_quic"),
    [
        ("thcs", "", True, True),
        ("thcs", "ech: keep", False, True),
        ("thcs", "quic: allow", True, False),
        ("staff", "", False, False),
        ("staff", "ech: strip", True, False),
        ("staff", "quic: refuse", False, True),
    ],
)
def test_ech_and_quic_are_off_for_pupils_unless_said_otherwise(config, ident, said, strip_ech, refuse_quic):
    found = tier(config, said, ident)
    assert (found.strip_ech, found.refuse_quic) == (strip_ech, refuse_quic)


def test_engines_keep_their_order_hosts_and_sources(config):
    find, films = load.load(config).engines
    assert (find.id, find.name, find.hosts) == ("tim", Text("Tìm", "Find"), ("www.tim.example", "tim.example"))
    assert find.modes == (SafeMode("on", "safe.tim.example"),)
    assert find.sources == ("https://help.tim.example/safe",)
    assert films.modes[1] == SafeMode("moderate", None, ("192.0.2.7",), ("2001:db8::7",))


def test_engines_without_a_safe_mode_are_a_service_of_their_category(config):
    with (config / "policies/safesearch.yaml").open("a") as file:
        file.write("without_safe_mode: {category: games, names: [khong.example, khong.example, =m.example.vn]}\n")
    service = load.load(config).services[-1]
    assert service == Service("unsafe-search", Text("Trò chơi", "Games"), ("khong.example", "=m.example.vn"), "games")


def test_a_directory_without_the_file_has_no_engines(config):
    (config / "policies/safesearch.yaml").unlink()
    policy = load.load(config)
    assert policy.engines == ()
    assert [t.safe_search for t in policy.tiers] == [(), (), ()]
