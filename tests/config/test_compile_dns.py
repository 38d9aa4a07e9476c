from pathlib import Path

import pytest

from filterd.config import load
from filterd.core.policy import Encrypted, NewlySeen, Policy, Rebinding, Route, Upstream
from tests import configs

UPSTREAMS = 'upstreams: ["udp://127.0.0.1:5399"]'


@pytest.fixture
def config(tmp_path):
    return configs.write(tmp_path)


def with_school(config: Path, text: str) -> Policy:
    """The policy once school.yaml says `text` in place of its upstreams."""
    configs.change(config, "policies/school.yaml", UPSTREAMS, text)
    return load.load(config)


def test_upstreams_are_in_full_each_once_and_their_files_are_below_the_directory(config):
    policy = with_school(
        config,
        "upstreams:\n"
        "  - udp://9.9.9.9\n"
        "  - {url: tls://DNS.Quad9.net, addresses: [9.9.9.9, '2620:fe:0::fe'], ca: tls/ca.pem}\n"
        "  - https://1.1.1.1\n"
        "  - udp://9.9.9.9:53\n"
        "  - {url: tls://10.0.0.1, ca: /etc/ssl/own.pem}\n",
    )
    assert policy.upstreams == (
        Upstream("udp://9.9.9.9:53"),
        Upstream("tls://dns.quad9.net:853", ("9.9.9.9", "2620:fe::fe"), str(config.absolute() / "tls/ca.pem")),
        Upstream("https://1.1.1.1:443/dns-query"),
        Upstream("tls://10.0.0.1:853", (), "/etc/ssl/own.pem"),
    )


def test_zones_get_routes_and_may_hold_private_addresses(config):
    policy = with_school(
        config,
        UPSTREAMS + "\nconditional: {truong.lan: [udp://10.0.0.1], 10.7.0.0/16: [udp://10.0.0.1, udp://10.0.0.2]}\n"
        "rebinding: {allow: [plex.direct]}",
    )
    first, second = Upstream("udp://10.0.0.1:53"), Upstream("udp://10.0.0.2:53")
    assert policy.routes == (Route("truong.lan", (first,)), Route("7.10.in-addr.arpa", (first, second)))
    assert policy.rebinding == Rebinding(True, ("plex.direct", "truong.lan", "7.10.in-addr.arpa"))


def test_encrypted_listeners_know_where_their_files_are(config):
    policy = with_school(
        config,
        UPSTREAMS + "\nencrypted: {name: dns.truong.vn, certificate: tls/chain.pem, key: /etc/key.pem,"
        ' dot: ["10.0.0.2:853"], doh: ["10.0.0.2:443"], ddr: false}',
    )
    assert policy.encrypted == Encrypted(
        "dns.truong.vn",
        str(config.absolute() / "tls/chain.pem"),
        "/etc/key.pem",
        ("10.0.0.2:853",),
        ("10.0.0.2:443",),
        "/dns-query",
        ddr=False,
    )


def test_what_is_left_out_is_off_or_safe(config):
    policy = load.load(config)
    assert (policy.encrypted, policy.newly_seen, policy.routes) == (None, None, ())
    assert policy.rebinding == Rebinding(protect=True)
    assert policy.case_randomisation


def test_the_rest_arrives_as_it_is_written(config):
    policy = with_school(
        config,
        UPSTREAMS + "\nnewly_seen: {category: games, days: 14}\ncase_randomisation: false\n"
        "limits: {prefix_queries_per_second: 300, prefix_burst: 900, slip: 0}",
    )
    assert policy.newly_seen == NewlySeen("games", 14)
    assert not policy.case_randomisation
    limits = policy.limits
    assert (limits.prefix_queries_per_second, limits.prefix_burst, limits.slip) == (300, 900, 0)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("{}", (2000, 10000), id="nothing"),
        pytest.param("{queries_per_second: 50000}", (500000, 10000), id="a higher rate of one client"),
        pytest.param("{burst: 300}", (2000, 3000), id="a lower burst of one client"),
        pytest.param("{queries_per_second: 500, prefix_queries_per_second: 700}", (700, 10000), id="both"),
    ],
)
def test_a_prefix_may_ask_as_much_as_ten_clients(config, written, expected):
    limits = with_school(config, f"{UPSTREAMS}\nlimits: {written}").limits
    assert (limits.prefix_queries_per_second, limits.prefix_burst) == expected
