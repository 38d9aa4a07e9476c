import pytest
from pydantic import ValidationError

from filterd.config.schema_school import LimitsModel, School
from filterd.core.policy import Limits

LEAST = {
    "name": {"vi": "Trường Thử", "en": "Test School"},
    "code": "thu",
    "listen": ["127.0.0.1:53"],
    "networks": ["10.0.0.0/8"],
    "upstreams": ["udp://9.9.9.9"],
}


def school(**changes: object) -> School:
    return School.model_validate({**LEAST, **changes})


def test_least_school_has_safe_defaults():
    found = school()
    assert found.unknown_client is None
    assert found.workers is None
    assert found.metrics is None
    assert found.block_answer.mode == "zero"
    assert found.state_dir == "var"


def test_limits_default_to_those_of_the_core():
    limits, core = LimitsModel(), Limits()
    assert (limits.queries_per_second, limits.burst) == (core.queries_per_second, core.burst)
    assert (limits.memo, limits.cache, limits.stale) == (core.memo_bytes, core.cache_bytes, core.stale_s)


def test_unknown_clients_are_refused_or_get_a_tier():
    assert school(unknown_client="refuse").unknown_client is None
    found = school(unknown_client={"tier": "thcs"}).unknown_client
    assert found is not None
    assert found.tier == "thcs"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("workers", 0, "0 is not a number of workers; write auto, or 1 to 16"),
        ("workers", True, "True is not a number of workers"),
        ("unknown_client", None, "nothing is not a choice; write refuse, or {tier: ID}"),
        ("unknown_client", "allow", "'allow' is not a choice"),
        ("limits", {"memo": "8"}, "'8' is not a size"),
        ("limits", {"stale": "8d"}, "8d is out of range; 0s to 7d is"),
        ("source_ports", "random", "'auto', 'fresh' or 'pool'"),
        ("networks", [], "at least 1 item"),
        ("block_answer", {"ipv4": "x"}, "'x' is not an IPv4 address"),
    ],
)
def test_bad_value_is_refused(key, value, message):
    with pytest.raises(ValidationError) as caught:
        school(**{key: value})
    assert message in str(caught.value)
