"""The demo's check judges replies by what a device sees, and accepts SERVFAIL only where a name is allowed."""

from __future__ import annotations

import pytest
from dnslib import CNAME, EDNS0, QTYPE, RR, SOA, A, DNSHeader, DNSQuestion, DNSRecord, EDNSOption

from deploy.check import DEMO, WIDTH, Answer, Ask, Got, judge, passes, report

NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


def reply(rcode: int, *addresses: str, aa: int = 0, ede: tuple[int, str] | None = None) -> DNSRecord:
    """What a server sends for a question about example.vn."""
    record = DNSRecord(DNSHeader(qr=1, aa=aa, ra=1, rcode=rcode), q=DNSQuestion("example.vn"))
    for address in addresses:
        record.add_answer(RR("example.vn", QTYPE.A, rdata=A(address)))
    if ede is not None:
        record.add_ar(EDNS0(opts=[EDNSOption(15, ede[0].to_bytes(2, "big") + ede[1].encode())]))
    return DNSRecord.parse(record.pack())


def behind(alias: CNAME) -> DNSRecord:
    record = reply(NOERROR)
    record.add_answer(RR("example.vn", QTYPE.CNAME, rdata=alias))
    return DNSRecord.parse(record.pack())


def without_data(server: str) -> DNSRecord:
    record = reply(NOERROR)
    record.add_auth(RR("example.vn", QTYPE.SOA, rdata=SOA(server, "admin.example.vn", (1, 2, 3, 4, 5))))
    return DNSRecord.parse(record.pack())


@pytest.mark.parametrize(
    ("seen", "got"),
    [
        pytest.param(reply(NOERROR, "0.0.0.0", ede=(15, "filterd: Cờ bạc")), Got.BLOCK, id="zero with EDE 15"),
        pytest.param(reply(NXDOMAIN, ede=(15, "filterd: Mã độc")), Got.BLOCK, id="NXDOMAIN with EDE 15"),
        pytest.param(reply(NOERROR, "192.0.2.1"), Got.ALLOW, id="an address"),
        pytest.param(reply(NXDOMAIN), Got.ALLOW, id="the world does not know it"),
        pytest.param(reply(NOERROR, "127.0.0.1", aa=1), Got.LOCAL, id="the box's own word"),
        pytest.param(behind(CNAME("forcesafesearch.google.com")), Got.SAFE, id="a safe host"),
        pytest.param(reply(NOERROR, "213.180.193.56"), Got.SAFE, id="a safe address"),
        pytest.param(behind(CNAME("www.example.net")), Got.ALLOW, id="an alias of the world's"),
        pytest.param(without_data("filterd.internal"), Got.SAFE, id="no data, says the box"),
        pytest.param(without_data("ns1.example.vn"), Got.ALLOW, id="no data, says the world"),
        pytest.param(reply(SERVFAIL, ede=(22, "no upstream")), Got.NO_UPLINK, id="no upstream"),
        pytest.param(reply(SERVFAIL, ede=(23, "failed")), Got.NO_UPLINK, id="network error"),
        pytest.param(reply(SERVFAIL), Got.ERROR, id="SERVFAIL without a reason"),
        pytest.param(reply(REFUSED), Got.ERROR, id="refused"),
    ],
)
def test_reply_is_judged(seen: DNSRecord, got: Got) -> None:
    assert judge(seen).got is got


@pytest.mark.parametrize(
    ("expected", "got", "good"),
    [
        (Got.ALLOW, Got.ALLOW, True),
        (Got.ALLOW, Got.NO_UPLINK, True),
        (Got.SAFE, Got.NO_UPLINK, True),
        (Got.SAFE, Got.ALLOW, False),
        (Got.BLOCK, Got.NO_UPLINK, False),
        (Got.LOCAL, Got.NO_UPLINK, False),
        (Got.BLOCK, Got.ALLOW, False),
        (Got.ALLOW, Got.BLOCK, False),
        (Got.ALLOW, Got.NOTHING, False),
    ],
)
def test_no_uplink_excuses_only_allowed_names(expected: Got, got: Got, good: bool) -> None:
    assert passes(expected, got) is good


def test_report_marks_what_is_wrong_and_fails() -> None:
    question = Ask("3A", "127.0.31.7", "bet365.com", Got.BLOCK)
    text, good = report([question], [Answer(Got.ALLOW, "192.0.2.1")])
    assert not good
    assert any(line.startswith("! 3A") for line in text.splitlines())
    assert "0 of 1" in text


def test_report_says_that_there_is_no_uplink_and_passes() -> None:
    question = Ask("3A", "127.0.31.7", "wikipedia.org", Got.ALLOW)
    text, good = report([question], [Answer(Got.NO_UPLINK, "SERVFAIL, EDE 22")])
    assert good
    assert "No uplink: 1 allowed name" in text


def test_report_of_the_demo_fits_80_columns() -> None:
    answers = [Answer(Got.NO_UPLINK, "x" * 60) for _ in DEMO]
    assert max(map(len, report(DEMO, answers)[0].splitlines())) <= WIDTH


def test_demo_asks_for_every_class_over_both_transports_and_locally() -> None:
    assert {question.who for question in DEMO} == {"3A", "7A", "11B", "staff"}
    assert {question.transport for question in DEMO} == {"udp", "tcp"}
    assert {question.expected for question in DEMO} == {Got.ALLOW, Got.BLOCK, Got.SAFE, Got.LOCAL}
