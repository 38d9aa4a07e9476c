import dns.rdata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.config import records

GOOD = [
    ("A", "192.168.1.20", "192.168.1.20"),
    ("AAAA", "FD00:0::20", "fd00::20"),
    ("CNAME", "May-In.truong.lan.", "may-in.truong.lan."),
    ("PTR", "máy-in.truong.lan", "xn--my-in-xqa.truong.lan."),
    ("TXT", "v=spf1 -all", '"v=spf1 -all"'),
    ("TXT", "", '""'),
    ("TXT", 'a"b', '"a\\"b"'),
    ("SRV", "0 100 389 dc1.truong.lan", "0 100 389 dc1.truong.lan."),
    ("SRV", "0 0 0 .", "0 0 0 ."),
    ("MX", "10 mail.truong.lan", "10 mail.truong.lan."),
    ("MX", "0 .", "0 ."),
]


@pytest.mark.parametrize(("kind", "value", "shown"), GOOD, ids=lambda value: str(value)[:24])
def test_a_value_is_packed_as_another_library_reads_it(kind, value, shown):
    data = records.rdata(kind, value)
    found = dns.rdata.from_wire("IN", records.TYPES[kind], data, 0, len(data))
    assert found.to_text() == shown


def test_a_name_is_never_compressed():
    assert records.rdata("SRV", "1 2 3 a.b.a.b").hex() == "000100020003" + b"\1a\1b\1a\1b\0".hex()


def test_a_long_text_is_several_strings():
    data = records.rdata("TXT", "k" * 600)
    assert [data[0], data[256], data[512], len(data)] == [255, 255, 90, 603]


BAD = [
    ("A", "fd00::1", "'fd00::1' is not an IPv4 address"),
    ("AAAA", "10.0.0.1", "'10.0.0.1' is not an IPv6 address"),
    ("CNAME", "10.0.0.1", "is an address; names only"),
    ("CNAME", "may in", "is not a domain name"),
    ("SRV", "dc1.truong.lan", "is not PRIORITY WEIGHT PORT HOST, such as 0 100 389 dc1.truong.lan"),
    ("SRV", "0 100 70000 dc1.truong.lan", "is not PRIORITY WEIGHT PORT HOST"),
    ("SRV", "0 100 -1 dc1.truong.lan", "is not PRIORITY WEIGHT PORT HOST"),
    ("SRV", "0 100 ٣ dc1.truong.lan", "is not PRIORITY WEIGHT PORT HOST"),
    ("MX", "mail.truong.lan", "is not PREFERENCE HOST, such as 10 mail.truong.lan"),
    ("MX", "10 10.0.0.1", "is an address; names only"),
]


@pytest.mark.parametrize(("kind", "value", "message"), BAD, ids=lambda value: str(value)[:24])
def test_a_value_that_cannot_be_says_what_was_expected(kind, value, message):
    with pytest.raises(ValueError) as caught:
        records.rdata(kind, value)
    assert message in str(caught.value)


@given(st.sampled_from(sorted(records.TYPES)), st.text(max_size=400))
def test_any_text_is_rdata_or_a_value_error(kind, value):
    try:
        data = records.rdata(kind, value)
    except ValueError:
        return
    dns.rdata.from_wire("IN", records.TYPES[kind], data, 0, len(data))


@pytest.mark.parametrize(
    ("kind", "name", "owner"),
    [
        ("PTR", "192.168.1.20", "20.1.168.192.in-addr.arpa"),
        ("PTR", "20.1.168.192.in-addr.arpa", "20.1.168.192.in-addr.arpa"),
        ("SRV", "_ldap._tcp.Truong.lan", "_ldap._tcp.truong.lan"),
    ],
)
def test_a_ptr_may_stand_at_its_address(kind, name, owner):
    assert records.owner(kind, name) == owner


def test_only_a_ptr_stands_at_an_address():
    with pytest.raises(ValueError, match="is an address; names only"):
        records.owner("TXT", "192.168.1.20")


@pytest.mark.parametrize("value", ["may-in", "10.0.0.0/8", "fe80::1%eth0", ""])
def test_an_address_is_a_single_one_that_everybody_can_reach(value):
    with pytest.raises(ValueError, match="is not an address, such as"):
        records.address(value)
