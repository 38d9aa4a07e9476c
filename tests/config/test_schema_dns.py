import pytest
from pydantic import ValidationError

from filterd.config.schema_dns import EncryptedModel, NewlySeenModel, UpstreamModel
from filterd.config.schema_school import School
from tests.config.test_schema_school import LEAST

TLS = {"url": "tls://dns.quad9.net", "addresses": ["9.9.9.9"]}
ENCRYPTED = {"name": "dns.truong.vn", "certificate": "tls/chain.pem", "key": "tls/key.pem"}


def school(**changes: object) -> School:
    return School.model_validate({**LEAST, **changes})


def test_an_upstream_is_a_url_or_a_map():
    plain, encrypted = school(upstreams=["udp://9.9.9.9", TLS]).upstreams
    assert plain == UpstreamModel(url="udp://9.9.9.9")
    assert encrypted.addresses == ["9.9.9.9"]


def test_a_zone_may_be_written_as_its_network():
    found = school(conditional={"Truong.LAN": ["udp://10.0.0.1"], "10.7.0.0/16": ["udp://10.0.0.1"]}).conditional
    assert list(found) == ["truong.lan", "7.10.in-addr.arpa"]


def test_an_emptied_key_is_its_default():
    assert school(conditional=None).conditional == {}
    assert school(newly_seen=None, encrypted=None).rebinding.protect


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"upstreams": ["9.9.9.9"]}, "'9.9.9.9' is not an upstream; write udp://", id="no-scheme"),
        pytest.param({"upstreams": ["tls://dns.quad9.net"]}, "add its addresses", id="no-bootstrap"),
        pytest.param({"upstreams": [{**TLS, "addresses": ["x"]}]}, "'x' is not an address", id="bad-address"),
        pytest.param({"upstreams": [{"url": "udp://9.9.9.9", "ca": "ca.pem"}]}, "ca means nothing", id="ca-of-udp"),
        pytest.param({"upstreams": [53]}, "valid dictionary", id="number"),
        pytest.param({"conditional": {"lan": []}}, "at least 1 item", id="route-to-nowhere"),
        pytest.param({"conditional": {"172.16.0.0/12": ["udp://10.0.0.1"]}}, "one by one", id="half-a-label"),
        pytest.param({"rebinding": {"allow": ["http://x.vn/"]}}, "is a URL; write the name only", id="url"),
        pytest.param({"newly_seen": {"category": "new", "days": 0}}, "greater than or equal to 1", id="no-days"),
        pytest.param({"limits": {"slip": -1}}, "greater than or equal to 0", id="slip"),
    ],
)
def test_bad_value_is_refused(change, message):
    with pytest.raises(ValidationError) as caught:
        school(**change)
    assert message in str(caught.value)


@pytest.mark.parametrize("path", ["dns-query", "/", "/a b", "/x{?dns}", "//x", "/x?y"])
def test_a_path_is_one_that_needs_no_escapes(path):
    with pytest.raises(ValidationError, match="is not the path of a URL"):
        EncryptedModel.model_validate({**ENCRYPTED, "path": path})


def test_encrypted_needs_its_certificate_and_key():
    for key in ("certificate", "key", "name"):
        with pytest.raises(ValidationError, match=key):
            EncryptedModel.model_validate({k: v for k, v in ENCRYPTED.items() if k != key})


def test_newly_seen_needs_a_category():
    with pytest.raises(ValidationError, match="category"):
        NewlySeenModel.model_validate({"days": 7})
