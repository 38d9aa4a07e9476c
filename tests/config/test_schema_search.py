import pytest
from pydantic import ValidationError

from filterd.config.schema_rules import Tier
from filterd.config.schema_search import Engine, SafeMode, SafeSearch

TEXT = {"vi": "Một", "en": "One"}


def tier(**said: object) -> Tier:
    return Tier.model_validate({"name": TEXT, "pupils": True, "block": [], **said})


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("on", {"default": "on"}),
        ("off", {"default": "off"}),
        (True, {"default": "on"}),
        (False, {"default": "off"}),
        ({"youtube": "moderate", "bing": False}, {"youtube": "moderate", "bing": "off"}),
        ({}, {}),
    ],
    ids=str,
)
def test_a_tier_says_on_off_or_a_map(said, means):
    assert tier(safe_search=said).safe_search == means


@pytest.mark.parametrize("said", ["strict", 7, ["google"]], ids=str)
def test_anything_else_is_refused_with_an_example(said):
    with pytest.raises(ValidationError, match="is not a choice; write on, off, or"):
        tier(safe_search=said)


@pytest.mark.parametrize(("key", "value"), [("ech", "off"), ("quic", True), ("ech", "refuse")])
def test_ech_and_quic_have_two_words_each(key, value):
    with pytest.raises(ValidationError, match=key):
        tier(**{key: value})


@pytest.mark.parametrize(
    "mode", [{}, {"cname": "a.example", "ipv4": ["192.0.2.1"]}, {"cname": None}], ids=["neither", "both", "null"]
)
def test_a_mode_answers_with_a_name_or_with_addresses(mode):
    with pytest.raises(ValidationError, match="write the one or the other"):
        SafeMode.model_validate(mode)


@pytest.mark.parametrize("word", ["off", "default"])
def test_words_of_tiers_yaml_are_no_ids(word):
    mode = {"cname": "safe.example"}
    engine = {"name": TEXT, "hosts": ["a.example"], "modes": {word: mode}}
    with pytest.raises(ValidationError, match="has a meaning of its own"):
        Engine.model_validate(engine)
    with pytest.raises(ValidationError, match="has a meaning of its own"):
        SafeSearch.model_validate({"engines": {word: {**engine, "modes": {"on": mode}}}})


def test_an_engine_has_hosts_and_modes():
    for missing in ("hosts", "modes"):
        engine = {"name": TEXT, "hosts": ["a.example"], "modes": {"on": {"cname": "safe.example"}}}
        engine[missing] = type(engine[missing])()
        with pytest.raises(ValidationError, match="at least 1 item"):
            Engine.model_validate(engine)
