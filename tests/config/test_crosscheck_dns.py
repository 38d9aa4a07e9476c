import pytest

from tests import configs
from tests.config.test_crosscheck import complaints

FILE = "school.yaml"
UPSTREAMS = 'upstreams: ["udp://127.0.0.1:5399"]\n'
LOCAL = """\
zones: [truong.lan, 10.7.0.0/16]
hosts:
  may-in.truong.lan: [10.7.0.20]
leases: {domain: lan, files: [/var/lib/misc/dnsmasq.leases], tiers: [staff]}
"""
KEYS = "name: dns.truong.vn, certificate: c.pem, key: k.pem"


@pytest.fixture(autouse=True)
def local(monkeypatch):
    monkeypatch.setitem(configs.FILES, "policies/local.yaml", LOCAL)


def school(text: str) -> list[str]:
    return complaints((FILE, UPSTREAMS, f"{UPSTREAMS}{text}\n"))


@pytest.mark.parametrize(
    "text",
    [
        "conditional: {ad.truong.vn: [udp://10.0.0.1], 10.8.0.0/16: [udp://10.0.0.1], 10.0.0.0/8: [udp://10.0.0.1]}",
        f'encrypted: {{{KEYS}, dot: ["127.0.0.1:853"], doh: ["127.0.0.1:443"]}}',
        f'encrypted: {{{KEYS}, doh: ["[::]:5300"]}}',
        "encrypted: null",
        "block_answer: {box_name: null}",
    ],
)
def test_what_holds_together_is_fine(text):
    assert school(text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "conditional:\n  ad.truong.vn: [udp://10.0.0.1]\n  AD.truong.vn: [udp://10.0.0.2]",
            "school.yaml:12 conditional.AD.truong.vn: 'ad.truong.vn' has a route already, in line 11",
        ),
        (
            "conditional:\n  10.8.0.0/16: [udp://10.0.0.1]\n  8.10.in-addr.arpa: [udp://10.0.0.2]",
            "'8.10.in-addr.arpa' has a route already, in line 11",
        ),
        ("conditional: {ad.truong.lan: [udp://10.0.0.1]}", "'ad.truong.lan' is in 'truong.lan', which local.yaml:1"),
        ("conditional: {truong.lan: [udp://10.0.0.1]}", "'truong.lan' is in 'truong.lan', which local.yaml:1 answers"),
        ("conditional: {10.7.3.0/24: [udp://10.0.0.1]}", "'3.7.10.in-addr.arpa' is in '7.10.in-addr.arpa', which"),
        ("conditional: {khac.lan: [udp://10.0.0.1]}", "'khac.lan' is in 'lan', which local.yaml:4 answers by itself"),
        (f"encrypted: {{{KEYS}}}", "encrypted: opens nothing; list addresses under dot or doh"),
        (
            f'encrypted: {{{KEYS}, doh: ["127.0.0.1:5300"]}}',
            "encrypted.doh[0]: 127.0.0.1:5300 is taken by listen (127.0.0.1:5300); use another port",
        ),
        (f'encrypted: {{{KEYS}, doh: ["0.0.0.0:5300"]}}', "0.0.0.0:5300 is taken by listen (127.0.0.1:5300)"),
        (f'encrypted: {{{KEYS}, dot: ["127.0.0.1:9953"]}}', "127.0.0.1:9953 is taken by metrics"),
        (
            f'encrypted: {{{KEYS}, dot: ["[::1]:443"], doh: ["[::1]:443"]}}',
            "encrypted.doh[0]: [::1]:443 is taken by encrypted.dot ([::1]:443)",
        ),
        (
            "newly_seen: {category: gamse, days: 7}",
            "newly_seen.category: 'gamse' is not a category; did you mean 'games'",
        ),
    ],
)
def test_what_does_not_is_told(text, message):
    (found,) = school(text)
    assert message in found
