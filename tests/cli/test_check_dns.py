import pytest

from filterd.cli import check_dns
from filterd.config import load
from tests import configs

UPSTREAMS = 'upstreams: ["udp://127.0.0.1:5399"]\n'
LOCAL = """\
zones: [truong.lan]
hosts: {may-in.truong.lan: [10.7.0.20, fd00::20]}
leases: {domain: lan, files: [/nowhere/leases], tiers: [staff]}
"""


@pytest.fixture
def config(tmp_path):
    return configs.write(tmp_path)


def with_school(config, text: str):
    configs.change(config, "policies/school.yaml", UPSTREAMS, f"{UPSTREAMS}{text}\n")
    return load.load(config)


def test_what_is_off_has_no_line(config):
    assert [label for label, _ in check_dns.summary(load.load(config))] == ["answers"]


@pytest.mark.parametrize(
    ("text", "label", "said"),
    [
        (
            "conditional: {ad.truong.vn: [udp://10.0.0.1, udp://10.0.0.2], 10.7.0.0/16: [tcp://10.0.0.1]}",
            "routes",
            "ad.truong.vn to udp://10.0.0.1:53, udp://10.0.0.2:53; 7.10.in-addr.arpa to tcp://10.0.0.1:53",
        ),
        (
            "rebinding: {allow: [plex.direct]}",
            "answers",
            "private addresses from outside are refused, but below plex.direct; without ECH for tieu-hoc, thcs; "
            "without QUIC for tieu-hoc, thcs",
        ),
        ("newly_seen: {category: games, days: 7}", "new names", "games for 7 days; closed for tieu-hoc, thcs"),
        (
            "encrypted: {name: dns.truong.vn, certificate: c.pem, key: k.pem, dot: ['10.0.0.2:853'],"
            " doh: ['10.0.0.2:443'], path: /q}",
            "encrypted",
            "dns.truong.vn: DoT 10.0.0.2:853, DoH https://10.0.0.2:443/q; told by DDR",
        ),
        (
            "encrypted: {name: dns.truong.vn, certificate: c.pem, key: k.pem, dot: ['10.0.0.2:853'], ddr: false}",
            "encrypted",
            "dns.truong.vn: DoT 10.0.0.2:853; not told by DDR",
        ),
    ],
    ids=["routes", "answers", "new-names", "encrypted", "encrypted-untold"],
)
def test_what_is_on_is_told(config, text, label, said):
    assert dict(check_dns.summary(with_school(config, text)))[label] == said


def test_local_names_are_told(config):
    (config / "policies" / "local.yaml").write_text(LOCAL)
    told = dict(check_dns.summary(load.load(config)))["local"]
    assert told == "2 records; zones: truong.lan; leases below lan for staff"


def test_safe_search_is_counted_by_tier(config):
    assert check_dns.search(load.load(config)) == "safe modes of 1 engines; in force: tieu-hoc 1, thcs 1, staff 0"
    (config / "policies" / "safesearch.yaml").unlink()
    assert check_dns.search(load.load(config)) == "no engines are known"


def test_files_that_are_not_there_are_told_once(config):
    (config / "c.pem").write_text("a certificate")
    policy = with_school(
        config,
        "conditional: {a.vn: [{url: 'tls://10.0.0.1', ca: ca.pem}], b.vn: [{url: 'tls://10.0.0.1', ca: ca.pem}]}\n"
        "encrypted: {name: dns.truong.vn, certificate: c.pem, key: k.pem, dot: ['10.0.0.2:853']}",
    )
    assert list(check_dns.missing(policy)) == [
        f"policies/school.yaml: encrypted: there is no file {config / 'k.pem'}",
        f"policies/school.yaml: tls://10.0.0.1:853: there is no file {config / 'ca.pem'}",
    ]


def test_lease_files_that_are_not_there_are_told(config):
    (config / "policies" / "local.yaml").write_text(LOCAL)
    (told,) = check_dns.missing(load.load(config))
    assert told.startswith("policies/local.yaml: leases: there is no file /nowhere/leases; until there is")


def test_a_certificate_that_devices_will_refuse_is_told(config):
    certificates = pytest.importorskip("tests.certificates")
    authority = certificates.Authority(config)
    text = (
        f"encrypted: {{name: {certificates.NAME}, certificate: cert.pem, key: key.pem, dot: ['10.0.0.2:853']}}\n"
        "conditional: {a.vn: [{url: 'tls://10.0.0.1', ca: key.pem}], b.vn: [{url: 'tls://10.0.0.1', ca: ca.pem}]}"
    )
    policy = with_school(config, text)
    ca = f"policies/school.yaml: {config / 'key.pem'} holds no certificate to trust; a ca is a PEM file of certificates"
    assert list(check_dns.unfit(policy)) == [ca]
    authority.write("other.example")
    told = "the certificate is not for dns.school.example but for other.example"
    assert list(check_dns.unfit(policy)) == [f"policies/school.yaml: encrypted: {told}", ca]
    (config / "cert.pem").unlink()
    assert list(check_dns.unfit(policy)) == [ca]
