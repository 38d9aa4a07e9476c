"""Words for what the box answers by itself; that devices hear the same is told in `tests/scenarios`."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterd.live.explain import Question, explain_name
from filterd.live.published import Published, open_readonly
from tests import configs
from tests.running import STAFF, write_school

NOW = 1_800_000_000.0
LOCAL = """\
zones: [truong.lan]
hosts: {may-in.truong.lan: [10.7.0.20, "10.7.0.21", "fd00::20"]}
records:
  - {name: in.truong.lan, type: CNAME, value: may-in.truong.lan}
  - {name: ngoai.truong.lan, type: CNAME, value: www.example.org, ttl: 1h}
  - {name: phim.truong.lan, type: CNAME, value: adult.example}
  - {name: tim.truong.lan, type: CNAME, value: www.tim.example}
  - {name: truong.lan, type: TXT, value: Trường}
  - {name: truong.lan, type: MX, value: 10 thu.truong.lan}
leases: {domain: may.truong.lan, files: [leases], tiers: [staff]}
"""
ENCRYPTED = """\
encrypted: {name: dns.truong.vn, certificate: c.pem, key: k.pem, dot: ["10.7.0.2:853"]}
conditional: {ad.truong.vn: ["udp://10.7.0.10", "udp://10.7.0.11"]}
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    config, state = write_school(tmp_path_factory.mktemp("own"))
    (config / "policies/local.yaml").write_text(LOCAL, "utf-8")
    (config / "leases").write_text("0 aa:bb:cc:dd:ee:02 10.7.0.50 Laptop-An *\n")
    configs.change(config, "policies/school.yaml", "unknown_client", f"{ENCRYPTED}unknown_client")
    return open_readonly(config, state)


@pytest.mark.parametrize(
    ("name", "kind", "answer", "ttl"),
    [
        ("may-in.truong.lan", "A", "10.7.0.20, 10.7.0.21", 300),
        ("may-in.truong.lan", "AAAA", "fd00::20", 300),
        ("may-in.truong.lan", "HTTPS", "no data", 60),
        ("in.truong.lan", "A", "CNAME may-in.truong.lan, 10.7.0.20, 10.7.0.21", 300),
        ("in.truong.lan", "MX", "CNAME may-in.truong.lan, no data", 300),
        ("khong-co.truong.lan", "A", "NXDOMAIN", 60),
        ("20.0.7.10.in-addr.arpa", "PTR", "may-in.truong.lan", 300),
        ("truong.lan", "MX", "10 thu.truong.lan", 300),
        ("truong.lan", "TXT", "1 TXT record", 300),
        ("ngoai.truong.lan", "A", "CNAME www.example.org", 60),
        ("tim.truong.lan", "A", "CNAME safe.tim.example", 10),
        ("laptop-an.may.truong.lan", "A", "NXDOMAIN", 60),
        ("dns.truong.vn", "A", "10.7.0.2", 300),
        ("dns.truong.vn", "TYPE28", "no data", 300),
        ("_dns.resolver.arpa", "SVCB", "1 SVCB record", 300),
        ("localhost", "AAAA", "::1", 3600),
        ("may.onion", "A", "NXDOMAIN", 3600),
        ("mask.icloud.com", "A", "NXDOMAIN", 10),
        ("loc.filterd.internal", "A", "no data", 10),
        ("dc1.ad.truong.vn", "A", "that of udp://10.7.0.10:53, udp://10.7.0.11:53, for ad.truong.vn", 60),
    ],
)
def test_what_is_answered_here_is_told(published: Published, name: str, kind: str, answer: str, ttl: int) -> None:
    found = explain_name(published, Question(name, classroom="3a", qtype=kind), NOW)
    assert (found["answer"], found["ttl"]) == (answer, ttl)


def test_devices_are_told_to_those_who_may_hear_of_them(published: Published) -> None:
    for name, kind, answer in (
        ("laptop-an.may.truong.lan", "A", "10.7.0.50"),
        ("50.0.7.10.in-addr.arpa", "PTR", "laptop-an.may.truong.lan"),
    ):
        assert explain_name(published, Question(name, client=STAFF, qtype=kind), NOW)["answer"] == answer


def test_an_alias_of_what_is_closed_is_closed(published: Published) -> None:
    found = explain_name(published, Question("phim.truong.lan", classroom="3a"), NOW)
    assert (found["action"], found["reason"], found["answer"]) == ("block", "category", "0.0.0.0")
    assert found["rule"] == "alias of adult.example, tier tieu-hoc: adult"
    assert found["sources"] == ["adult-curated"]


def test_lease_files_that_cannot_be_used_are_a_note(published: Published) -> None:
    file = published.config_dir / "leases"
    file.rename(file.with_name("moved"))
    file.mkdir()
    try:
        (fault,) = explain_name(published, Question("example.org", classroom="3a"), NOW)["faults"]
        assert fault.startswith("leases: ")
    finally:
        file.rmdir()
        Path(file.with_name("moved")).rename(file)
