import pytest

from tests import configs
from tests.config.test_crosscheck import complaints

FILE = "safesearch.yaml"
SEARCH = """\
engines:
  tim:
    name: {vi: Tìm, en: Find}
    hosts: [www.tim.example, tim.example]
    modes: {on: {cname: safe.tim.example}}
  phim:
    name: {vi: Phim, en: Films}
    hosts: [www.phim.example]
    modes: {strict: {cname: strict.phim.example}, moderate: {cname: moderate.phim.example}}
"""
TIER = "    block: [adult, games]\n"


@pytest.fixture(autouse=True)
def search(monkeypatch):
    monkeypatch.setitem(configs.FILES, f"policies/{FILE}", SEARCH)


@pytest.mark.parametrize(
    "said", ["on", "off", "{tim: off, phim: moderate}", "{default: off, phim: on}", "{phim: true}", "{}"]
)
def test_engines_and_modes_that_are_there_are_fine(said):
    assert complaints(("tiers.yaml", TIER, f"{TIER}    safe_search: {said}\n")) == []


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            "{tym: on}",
            "tiers.thcs.safe_search.tym: 'tym' is not a search engine of safesearch.yaml; did you mean 'tim'?",
        ),
        (
            "{phim: medium}",
            "tiers.thcs.safe_search.phim: 'medium' is not a mode of phim; there is moderate, off, on, str",
        ),
        ("{tim: strict}", "'strict' is not a mode of tim; there is off, on"),
        ("{default: strict}", "tiers.thcs.safe_search.default: 'strict' is no default; there is off, on"),
    ],
)
def test_engines_and_modes_that_are_not_there_are_told(said, message):
    (found,) = complaints(("tiers.yaml", TIER, f"{TIER}    safe_search: {said}\n"))
    assert message in found


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "[www.phim.example]",
            "[www.phim.example, TIM.example.]",
            "'tim.example' is already a host of 'tim', in line 4",
        ),
        ("[www.phim.example]", "[www.phim.example, www.phim.example]", "is already a host of 'phim', in line 8"),
        ("cname: strict.phim", "cname: www.phim", "modes.strict.cname: 'www.phim.example' is itself a host of 'phim'"),
    ],
)
def test_a_host_is_one_engine_s_and_no_target(old, new, message):
    (found,) = complaints((FILE, old, new))
    assert message in found


def test_engines_without_a_safe_mode_have_none():
    group = "engines:\nwithout_safe_mode: {category: games, names: [phim.example]}\n".removeprefix("engines:\n")
    (found,) = complaints((FILE, "engines:\n", f"{group}engines:\n"))
    assert "without_safe_mode.names[0]: 'phim.example' would close www.phim.example, a host of 'phim'" in found


def test_their_category_has_to_be_one():
    (found,) = complaints((FILE, "engines:\n", "without_safe_mode: {category: gamse, names: [x.example]}\nengines:\n"))
    assert "without_safe_mode.category: 'gamse' is not a category; did you mean 'games'?" in found


def test_their_service_is_not_somebody_else_s():
    group = (FILE, "engines:\n", "without_safe_mode: {category: games, names: [x.example]}\nengines:\n")
    (found,) = complaints(group, ("services.yaml", "  olm:\n", "  unsafe-search:\n"), *_without_olm())
    assert "services.unsafe-search: 'unsafe-search' is the service of without_safe_mode (safesearch.yaml)" in found


def _without_olm() -> list[tuple[str, str, str]]:
    return [("services.yaml", "services: [olm]", "services: [unsafe-search]")]


def test_without_the_file_tiers_may_name_any_engine(monkeypatch):
    monkeypatch.delitem(configs.FILES, f"policies/{FILE}")
    assert complaints(("tiers.yaml", TIER, f"{TIER}    safe_search: {{tym: off}}\n")) == []
