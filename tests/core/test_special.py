from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core import names
from filterd.core.special import HEADS, Special, special

ZEROS = ".".join("0" * 32) + ".ip6.arpa"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("localhost", Special.LOCALHOST),
        ("www.localhost", Special.LOCALHOST),
        ("localhost.example.com", None),
        ("notlocalhost", None),
        ("invalid", Special.NXDOMAIN),
        ("a.test", Special.NXDOMAIN),
        ("test.com", None),
        ("expyuzz4wqqyqhjn.onion", Special.NXDOMAIN),
        ("printer.local", Special.NXDOMAIN),
        ("x.alt", Special.NXDOMAIN),
        ("router.home.arpa", Special.NXDOMAIN),
        ("home", None),
        ("_dns.resolver.arpa", Special.NODATA),
        ("resolver.arpa", Special.NODATA),
        ("arpa", None),
        ("use-application-dns.net", Special.BYPASS),
        ("a.use-application-dns.net", None),
        ("mask.icloud.com", Special.BYPASS),
        ("mask-h2.icloud.com", Special.BYPASS),
        ("www.icloud.com", None),
        ("1.0.0.10.in-addr.arpa", Special.NXDOMAIN),
        ("10.in-addr.arpa", Special.NXDOMAIN),
        ("1.1.168.192.in-addr.arpa", Special.NXDOMAIN),
        ("1.1.169.192.in-addr.arpa", None),
        ("1.0.16.172.in-addr.arpa", Special.NXDOMAIN),
        ("1.0.31.172.in-addr.arpa", Special.NXDOMAIN),
        ("1.0.32.172.in-addr.arpa", None),
        ("1.0.15.172.in-addr.arpa", None),
        ("1.0.64.100.in-addr.arpa", Special.NXDOMAIN),
        ("1.0.127.100.in-addr.arpa", Special.NXDOMAIN),
        ("1.0.128.100.in-addr.arpa", None),
        ("1.1.254.169.in-addr.arpa", Special.NXDOMAIN),
        ("255.255.255.255.in-addr.arpa", Special.NXDOMAIN),
        ("8.8.8.8.in-addr.arpa", None),
        ("1.2.0.192.in-addr.arpa", Special.NXDOMAIN),
        ("1.100.51.198.in-addr.arpa", Special.NXDOMAIN),
        ("1.113.0.203.in-addr.arpa", Special.NXDOMAIN),
        (ZEROS, Special.NXDOMAIN),
        ("1" + ZEROS[1:], Special.NXDOMAIN),
        ("2" + ZEROS[1:], None),
        ("1.d.f.ip6.arpa", Special.NXDOMAIN),
        ("1.8.e.f.ip6.arpa", Special.NXDOMAIN),
        ("1.b.e.f.ip6.arpa", Special.NXDOMAIN),
        ("1.c.e.f.ip6.arpa", None),
        ("1.8.b.d.0.1.0.0.2.ip6.arpa", Special.NXDOMAIN),
        ("9.b.d.0.1.0.0.2.ip6.arpa", None),
    ],
)
def test_names_of_the_special_use_registries(name, kind):
    assert special(names.key_of_text(name)) is kind


def test_the_root_is_an_ordinary_name():
    assert special(b"") is None


@given(st.lists(st.sampled_from(["a", "test", "local", "arpa", "home", "10", "in-addr", "icloud", "com"]), min_size=1))
def test_a_name_is_special_only_below_a_head(labels):
    key = names.key_of_text(".".join(labels))
    if special(key) is not None:
        assert names.head(key) in HEADS or key[: key.find(b".") + 1] in HEADS
