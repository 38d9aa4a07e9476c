import pytest
from pydantic import ValidationError

from filterd.config.schema_local import Local


def local(**said: object) -> Local:
    return Local.model_validate(said)


def test_an_empty_file_of_keys_says_nothing():
    assert local(zones=None, hosts=None, records=None, leases=None) == Local()


def test_a_host_has_one_address_or_several():
    found = local(hosts={"A.truong.lan": "10.0.0.1", "b.truong.lan": ["10.0.0.2", "FD00::2"]}).hosts
    assert found == {"a.truong.lan": ["10.0.0.1"], "b.truong.lan": ["10.0.0.2", "fd00::2"]}


def test_zones_may_be_networks_and_of_one_label():
    found = local(zones=["lan", "truong.edu.vn", "home.arpa", "192.168.0.0/16"])
    assert found.zones == ["lan", "truong.edu.vn", "home.arpa", "168.192.in-addr.arpa"]


def test_a_record_may_live_as_long_as_it_says():
    (record,) = local(records=[{"name": "a.lan", "type": "TXT", "value": "x", "ttl": "1h"}]).records
    assert record.ttl == 3600


@pytest.mark.parametrize(
    ("said", "message"),
    [
        pytest.param({"zones": ["edu.vn"]}, "'edu.vn' is a public suffix", id="suffix"),
        pytest.param({"zones": ["10.0.0.0/7"]}, "one by one", id="half-a-label"),
        pytest.param({"hosts": {"a.lan": []}}, "at least 1 item", id="no-address"),
        pytest.param({"hosts": {"a.lan": "b.lan"}}, "'b.lan' is not an address", id="name-as-address"),
        pytest.param({"hosts": {"10.0.0.1": "10.0.0.1"}}, "is an address; names only", id="address-as-name"),
        pytest.param({"records": [{"name": "a.lan", "type": "NS", "value": "b.lan"}]}, "'A', 'AAAA'", id="type"),
        pytest.param({"records": [{"name": "a.lan", "type": "A", "value": "x"}]}, "is not an IPv4", id="value"),
        pytest.param({"records": [{"name": "a b", "type": "A", "value": "10.0.0.1"}]}, "not a domain name", id="name"),
        pytest.param({"records": [{"name": "a.lan", "type": "A"}]}, "Field required", id="no-value"),
        pytest.param(
            {"records": [{"name": "a.lan", "type": "A", "value": "10.0.0.1", "ttl": "8d"}]}, "out of range", id="ttl"
        ),
        pytest.param({"leases": {"domain": "lan", "files": []}}, "at least 1 item", id="no-lease-file"),
    ],
)
def test_bad_value_is_refused(said, message):
    with pytest.raises(ValidationError) as caught:
        local(**said)
    assert message in str(caught.value)
