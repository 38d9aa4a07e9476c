from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core.lease_files import FOREVER, MAX_LEASES, Lease, label_of, names_at, next_end, read

DNSMASQ = b"""\
1800000600 aa:bb:cc:dd:ee:01 192.168.1.50 May-In 01:aa:bb:cc:dd:ee:01
0 aa:bb:cc:dd:ee:02 192.168.1.51 * *
1800000300 aa:bb:cc:dd:ee:03 192.168.1.52 laptop-an *
duid 00:01:00:01:2a:5b:7c:9d:aa:bb:cc:dd:ee:00
1800000300 7453 fd00::52 laptop-an 00:01:00:01:2a
"""
HEADER4 = (
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id"
)
HEADER6 = (
    "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,"
    "hwaddr,state,user_context,hwtype,hwaddr_source,pool_id"
)
NOW = 1_800_000_000.0


def kea4(address: str, host: str, *, expire: int = 1800000600, lifetime: int = 3600, state: int = 0) -> str:
    return f"{address},aa:bb:cc:dd:ee:ff,,{lifetime},{expire},1,0,0,{host},{state},,0"


def kea6(address: str, host: str, *, kind: int = 0) -> str:
    return f"{address},00:01,3600,1800000600,1,1800,{kind},7,128,0,0,{host},,0,,,,0"


def csv(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def test_dnsmasq_says_address_name_and_end():
    assert read([DNSMASQ]) == [
        Lease("192.168.1.50", "may-in", 1800000600.0),
        Lease("192.168.1.51", "", FOREVER),
        Lease("192.168.1.52", "laptop-an", 1800000300.0),
        Lease("fd00::52", "laptop-an", 1800000300.0),
    ]


def test_kea_names_its_columns():
    assert read([csv(HEADER4, kea4("192.168.1.50", "may-in.truong.lan."))]) == [
        Lease("192.168.1.50", "may-in", 1800000600.0)
    ]
    assert read([csv(HEADER6, kea6("FD00:0::50", "may-in"))]) == [Lease("fd00::50", "may-in", 1800000600.0)]


def test_kea_of_an_older_version_has_fewer_columns():
    header = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state"
    assert read([csv(header, "192.168.1.50,aa:bb,,3600,1800000600,1,0,0,tv,0")]) == [
        Lease("192.168.1.50", "tv", 1800000600.0)
    ]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        pytest.param({"expire": 1800000900}, 1800000900.0, id="renewed"),
        pytest.param({"lifetime": 0xFFFFFFFF}, FOREVER, id="without end"),
        pytest.param({"lifetime": 0}, 0.0, id="given back"),
        pytest.param({"state": 1}, 0.0, id="declined"),
        pytest.param({"state": 2}, 0.0, id="expired and reclaimed"),
    ],
)
def test_of_an_address_keas_last_line_counts(last, expected):
    data = csv(HEADER4, kea4("192.168.1.50", "tv"), kea4("192.168.1.51", "pc"), kea4("192.168.1.50", "tv", **last))
    assert [(lease.address, lease.until) for lease in read([data])] == [
        ("192.168.1.50", expected),
        ("192.168.1.51", 1800000600.0),
    ]


def test_a_delegated_prefix_is_no_address():
    assert read([csv(HEADER6, kea6("fd00:1::", "router", kind=2))]) == []


def test_a_later_file_continues_an_earlier_one():
    old, new = csv(HEADER4, kea4("192.168.1.50", "tv")), csv(HEADER4, kea4("192.168.1.50", "tv", lifetime=0))
    assert [lease.until for lease in read([old, new])] == [0.0]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"1800000600 aa:bb:cc:dd:ee:01 192.168.1.5", id="half a line, which names another address"),
        pytest.param(b"1800000600 aa:bb:cc:dd:ee:01 192.168.1.50 tv *", id="a line without its end"),
        pytest.param(b"1800000600 aa:bb\n", id="too few fields"),
        pytest.param(b"soon aa:bb 192.168.1.50 tv *\n", id="no time"),
        pytest.param(b"1800000600 aa:bb 192.168.1.500 tv *\n", id="no address"),
        pytest.param(b"\0\0\0\0\n\xff\xfe\n", id="NULs after a power cut"),
        pytest.param(csv("address,hostname", "192.168.1.50,tv"), id="a CSV without the columns"),
        pytest.param(csv(HEADER4, kea4("192.168.1.50", "tv")[:-4]), id="a CSV line cut short"),
        pytest.param(csv(HEADER4) + kea4("192.168.1.50", "tv").encode(), id="a CSV line without its end"),
        pytest.param(csv(HEADER4, kea4("192.168.1.50", "tv").replace("1800000600", "x")), id="a CSV without a time"),
        pytest.param(b"address,", id="half a header"),
    ],
)
def test_what_is_no_whole_lease_is_left_out(data):
    assert read([data]) == []


def test_numbers_of_any_length_are_only_numbers():
    nines = "9" * 5000
    assert read([f"{nines} aa 192.168.1.50 tv *\n".encode()])[0].until == FOREVER
    assert read([csv(HEADER4, kea4("192.168.1.50", "tv").replace("3600", nines))])[0].until == 1800000600.0


def test_no_more_leases_than_a_school_can_have_are_taken():
    lines = [f"0 aa 10.{n >> 16}.{n >> 8 & 255}.{n & 255} tv *\n" for n in range(MAX_LEASES + 5)]
    assert len(read(["".join(lines).encode()])) == MAX_LEASES


@given(st.binary(max_size=300), st.sampled_from([b"", csv(HEADER4), csv(HEADER6)]))
def test_no_bytes_raise(data, before):
    for lease in read([before + data + b"\n"]):
        assert lease.name == label_of(lease.name)


@pytest.mark.parametrize(
    ("hostname", "label"),
    [
        ("Laptop-An", "laptop-an"),
        ("may-in.truong.lan", "may-in"),
        ("*", ""),
        ("", ""),
        ("Máy của An", "mycaan"),
        ("<script>alert(1)</script>", "scriptalert1script"),
        ("-x-", "x"),
        ("a_b c", "abc"),
        ("a" * 80, "a" * 63),
        ("WPAD", ""),
        ("w.pad", "w"),
        ("wpad.truong.lan", ""),
        ("w_pad", ""),
        ("isatap", ""),
        ("localhost", ""),
        ("\u0130\u2460", "i"),
    ],
)
def test_a_devices_name_becomes_one_harmless_label(hostname, label):
    assert label_of(hostname) == label


def test_names_are_those_of_the_moment():
    leases = [Lease("10.0.0.1", "a", NOW + 1), Lease("10.0.0.2", "b", NOW), Lease("10.0.0.3", "", FOREVER)]
    assert names_at(leases, NOW) == (("a", "10.0.0.1"),)
    assert names_at(leases, NOW + 1) == ()
    assert next_end(leases, NOW) == NOW + 1
    assert next_end(leases, NOW + 1) == FOREVER


def test_a_second_device_of_one_name_does_not_take_it():
    leases = [Lease("10.0.0.1", "a", FOREVER), Lease("fd00::1", "a", FOREVER), Lease("10.0.0.2", "a", FOREVER)]
    assert names_at(leases, NOW) == (("a", "10.0.0.1"), ("a", "fd00::1"))
