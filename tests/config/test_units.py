import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.config import units
from filterd.core.policy import Upstream

GOOD = [
    (units.duration, "90s", 90),
    (units.duration, "15m", 900),
    (units.duration, "24h", 86400),
    (units.duration, "7d", 604800),
    (units.size, "0B", 0),
    (units.size, "512KiB", 524288),
    (units.size, "8MiB", 8388608),
    (units.percent, "20%", 0.2),
    (units.clock, "00:00", 0),
    (units.clock, "08:45", 525),
    (units.clock, "23:59", 1439),
    (units.day, "2026-12-31", datetime.date(2026, 12, 31)),
    (units.identifier, "7-3", "7-3"),
    (units.network, "192.168.31.0/24", "192.168.31.0/24"),
    (units.network, "192.168.31.7", "192.168.31.7/32"),
    (units.network, "FD00:31::/64", "fd00:31::/64"),
    (units.ipv4, "192.168.1.1", "192.168.1.1"),
    (units.ipv6, "FD00::0001", "fd00::1"),
    (units.endpoint, "127.0.0.1:5300", "127.0.0.1:5300"),
    (units.endpoint, "[0:0::1]:53", "[::1]:53"),
    (units.upstream, "udp://9.9.9.9", Upstream("udp://9.9.9.9:53")),
    (units.upstream, "tcp://[2620:fe:0::fe]", Upstream("tcp://[2620:fe::fe]:53")),
    (units.upstream, "udp://[2620:fe::fe]:5353", Upstream("udp://[2620:fe::fe]:5353")),
    (units.upstream, "tls://9.9.9.9", Upstream("tls://9.9.9.9:853")),
    (units.upstream, "https://1.1.1.1", Upstream("https://1.1.1.1:443/dns-query")),
    (units.zone, "LAN", "lan"),
    (units.zone, "ad.truong.vn", "ad.truong.vn"),
    (units.zone, "192.168.0.0/16", "168.192.in-addr.arpa"),
    (units.zone, "10.0.0.0/8", "10.in-addr.arpa"),
    (units.zone, "192.168.1.7/32", "7.1.168.192.in-addr.arpa"),
    (units.zone, "fd00:31::/64", "0.0.0.0.0.0.0.0.1.3.0.0.0.0.d.f.ip6.arpa"),
    (units.zone, "fc00::/8", "c.f.ip6.arpa"),
    (units.interface, "eth0.31", "eth0.31"),
    (units.time_zone, "Asia/Ho_Chi_Minh", "Asia/Ho_Chi_Minh"),
    (units.phone, "111", "111"),
    (units.phone, "+84 24 3733 1111", "+84 24 3733 1111"),
    (units.web_url, "https://example.org:8443/x?y", "https://example.org:8443/x?y"),
    (units.source_url, "file:curated/adult.txt", "file:curated/adult.txt"),
    (units.source_url, "file:///srv/lists/x.txt", "file:///srv/lists/x.txt"),
    (units.domain, "WWW.Example.COM.", "www.example.com"),
    (units.domain, "Bücher.example", "xn--bcher-kva.example"),
    (units.rule_name, "example.com", "example.com"),
    (units.rule_name, "*.example.com", "example.com"),
    (units.rule_name, "=Example.com", "=example.com"),
    (units.rule_name, "=gov.vn", "=gov.vn"),
    (units.rule_name, "_dns.resolver.example.com", "_dns.resolver.example.com"),
]

BAD = [
    (units.duration, "15", "'15' is not a duration; write a whole number and s, m, h or d, such as 15m"),
    (units.duration, 15, "15 is not a duration; write a whole number and s, m, h or d, such as 15m"),
    (units.duration, "-5m", "'-5m' is not a duration"),
    (units.duration, None, "nothing is not a duration"),
    (units.size, "8MB", "'8MB' is not a size; write a whole number and KiB, MiB or GiB, such as 8MiB"),
    (units.percent, 0.2, "0.2 is not a percentage; write a whole number and %, such as 20%"),
    (units.clock, "8:45", "'8:45' is not a time of day; write 00:00 to 23:59, such as 08:45"),
    (units.clock, "24:00", "'24:00' is not a time of day"),
    (units.day, "31/12/2026", "'31/12/2026' is not a date; write year-month-day, such as 2026-12-31"),
    (units.day, "2026-02-30", "'2026-02-30' is not in the calendar"),
    (units.day, "1970-01-01", "'1970-01-01' is not a date"),
    (units.identifier, "7/3", "'7/3' is not an id: a-z, 0-9 and '-' only, at most 40 characters; '7-3' would do"),
    (units.identifier, "-", "'-' is not an id: a-z, 0-9 and '-' only, at most 40 characters"),
    (
        units.network,
        "192.168.31.5/24",
        "bits set after the prefix; did you mean '192.168.31.0/24'?",
    ),
    (units.network, "lan", "'lan' is not a network; write ADDRESS/BITS, such as 192.168.31.0/24"),
    (units.ipv4, "fd00::1", "'fd00::1' is not an IPv4 address, such as 192.168.1.1"),
    (units.ipv6, "fe80::1%eth0", "'fe80::1%eth0' is not an IPv6 address, such as fd00::1"),
    (units.endpoint, "127.0.0.1", "'127.0.0.1' is not ADDRESS:PORT, such as 127.0.0.1:53 or [::1]:53"),
    (units.endpoint, "::1:53", "'::1:53' is not ADDRESS:PORT"),
    (units.endpoint, "dns.google:53", "'dns.google:53' is not ADDRESS:PORT"),
    (units.endpoint, "127.0.0.1:70000", "'127.0.0.1:70000' is not ADDRESS:PORT"),
    (units.endpoint, "127.0.0.1:٥٣", "is not ADDRESS:PORT"),
    (units.upstream, "9.9.9.9", "'9.9.9.9' is not an upstream; write udp://9.9.9.9:53"),
    (units.upstream, "quic://9.9.9.9", "'quic://9.9.9.9' is not an upstream"),
    (units.upstream, "tls://dns.quad9.net", "holds a name; add its addresses, as addresses: [9.9.9.9]"),
    (units.zone, "172.16.0.0/12", "write its 16 networks 172.16.0.0/16 to 172.31.0.0/16, one by one"),
    (units.zone, "192.168.1.0/25", "write its 128 networks 192.168.1.0/32 to 192.168.1.127/32, one by one"),
    (units.zone, "fc00::/7", "write its 2 networks fc00::/8 to fd00::/8, one by one"),
    (units.zone, "0.0.0.0/0", "'0.0.0.0/0' is no reverse zone of its own"),
    (units.zone, "192.168.1.1/16", "did you mean '192.168.0.0/16'?"),
    (units.zone, "192.168.1.1", "'192.168.1.1' is an address; names only"),
    (units.zone, "http://truong.lan/", "is a URL; write the name only: truong.lan"),
    (units.interface, "a b", "'a b' is not the name of a network interface, such as eth0.31"),
    (units.time_zone, "Asia/Hanoi", "'Asia/Hanoi' is not a time zone; write Area/City, such as Asia/Ho_Chi_Minh"),
    (units.time_zone, "../../etc/passwd", "is not a time zone"),
    (units.phone, "call me", "'call me' is not a telephone number"),
    (units.web_url, "ftp://example.org/x", "'ftp://example.org/x' is not a URL, such as https://example.org/list.txt"),
    (units.web_url, "https://user:pw@example.org/", "holds a user name; such URLs are not accepted"),
    (units.source_url, "file:../../etc/passwd", "names no file; '..' is not accepted"),
    (units.source_url, "file:/etc/passwd", "write file:curated/x.txt, below blocklists/, or file:///absolute/path"),
    (units.domain, "https://youtube.com/watch?v=1", "is a URL; write the name only: youtube.com"),
    (units.domain, "1.2.3.4", "'1.2.3.4' is an address; names only"),
    (units.domain, "a b.vn", "is not a domain name"),
    (units.rule_name, "192.168.0.0/16", "'192.168.0.0/16' is a network; names only"),
    (units.rule_name, "com.vn", "'com.vn' is a public suffix: it would cover every site below it; name the sites"),
    (units.rule_name, "vn", "'vn' is a public suffix"),
    (units.rule_name, "*.com", "'com' is a public suffix"),
]


def _name(value: object) -> str:
    return getattr(value, "__name__", None) or str(value)[:40]


@pytest.mark.parametrize(("parse", "text", "value"), GOOD, ids=_name)
def test_unit_is_read_as_a_plain_value(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(("parse", "text", "message"), BAD, ids=_name)
def test_mistake_says_what_was_seen_and_what_was_expected(parse, text, message):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert message in str(caught.value)


ALL = sorted({parse for parse, _, _ in GOOD}, key=_name)


@given(st.sampled_from(ALL), st.text(max_size=80))
def test_any_text_is_a_value_or_a_value_error(parse, text):
    try:
        parse(text)
    except ValueError as error:
        assert str(error)


def test_a_long_value_is_cut_in_messages():
    assert len(units.shown("x" * 500)) == 60
