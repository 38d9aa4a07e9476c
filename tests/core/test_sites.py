from __future__ import annotations

from pathlib import Path

import publicsuffixlist
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterd.core import names
from filterd.core.sites import DELIVERY, Sites
from filterd.store import suffixes

RULES = """\
// a comment
com
vn
edu.vn
uk
co.uk
*.ck
!www.ck
jp
kobe.jp
*.kobe.jp
!city.kobe.jp
github.io
compute.amazonaws.com
s3.dualstack.eu.example.com
cloudfront.net
香港
""".splitlines()
SITES = Sites(RULES, own=("truong.edu.vn", "ad"))


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("example.com", "example.com"),
        ("www.example.com", "example.com"),
        ("a.b.c.example.com", "example.com"),
        ("com", None),
        ("localhost", None),
        ("example.unknown", "example.unknown"),
        ("a.example.unknown", "example.unknown"),
        ("co.uk", None),
        ("example.co.uk", "example.co.uk"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("example.uk", "example.uk"),
        ("a.ck", None),
        ("b.a.ck", "b.a.ck"),
        ("c.b.a.ck", "b.a.ck"),
        ("www.ck", "www.ck"),
        ("a.www.ck", "www.ck"),
        ("x.kobe.jp", None),
        ("y.x.kobe.jp", "y.x.kobe.jp"),
        ("city.kobe.jp", "city.kobe.jp"),
        ("a.city.kobe.jp", "city.kobe.jp"),
        ("an.github.io", "an.github.io"),
        ("github.io", None),
        ("b.s3.dualstack.eu.example.com", "b.s3.dualstack.eu.example.com"),
        ("dualstack.eu.example.com", "example.com"),
        ("d111.cloudfront.net", "cloudfront.net"),
        ("x.compute.amazonaws.com", "amazonaws.com"),
        ("a.xn--j6w193g", "a.xn--j6w193g"),
        ("truong.edu.vn", None),
        ("www.truong.edu.vn", None),
        ("khac.edu.vn", "khac.edu.vn"),
        ("dc.ad", None),
        ("1.0.0.10.in-addr.arpa", None),
        ("8.8.8.8.in-addr.arpa", None),
        ("router.home.arpa", None),
        ("may-in.local", None),
        ("a.test", None),
        ("a.b.onion", None),
        ("use-application-dns.net", None),
        ("b.mask.icloud.com", "icloud.com"),
        ("www.icloud.com", "icloud.com"),
    ],
)
def test_a_name_belongs_to_the_domain_somebody_registered(name, site):
    assert SITES.site(names.key_of_text(name)) == (names.key_of_text(site) if site else b"")


def test_the_root_is_no_site():
    assert SITES.site(b"") == b""


@pytest.fixture(scope="module")
def real() -> Sites:
    return suffixes.sites(())


SUFFIXES = (
    "com co.uk edu.vn github.io vercel.app kobe.jp city.kobe.jp ck www.ck np com.np s3.amazonaws.com fastly.net "
    "akamaized.net cloudfront.net unknown example.com execute-api.eu-west-1.amazonaws.com platform.sh"
)
THEIRS = publicsuffixlist.PublicSuffixList(accept_unknown=True)


@settings(max_examples=300, deadline=None)
@given(
    suffix=st.sampled_from(SUFFIXES.split()),
    labels=st.lists(st.sampled_from(["a", "www", "b-c", "_x"]), max_size=3),
)
def test_the_real_list_gives_what_its_own_library_gives(real: Sites, suffix: str, labels: list[str]):
    name = ".".join([*labels, suffix])
    expected = THEIRS.privatesuffix(name)
    for each in DELIVERY:
        if name == each or name.endswith("." + each):
            expected = each
    got = real.site(names.key_of_text(name))
    assert got == (names.key_of_text(expected) if expected else b"")


def test_the_list_is_there():
    assert Path(publicsuffixlist.PSLFILE).stat().st_size > 100_000
