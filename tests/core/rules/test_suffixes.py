"""Public suffixes, against the library's own answers."""

from __future__ import annotations

import publicsuffixlist
import pytest

from filterd.core import names
from filterd.core.rules.suffixes import SHARED_HOSTS
from filterd.store import suffixes
from tests.core.rules.reading import SUFFIXES

NAMES = """com vn com.vn edu.vn co.uk github.io blogspot.com tumblr.com herokuapp.com www.ck ck a.ck b.a.ck kawasaki.jp
city.kawasaki.jp x.kawasaki.jp kobe.jp a.kobe.jp google.com docs.google.com www.facebook.com xn--p1ai s3.amazonaws.com
compute.amazonaws.com a.compute.amazonaws.com b.a.compute.amazonaws.com web.app a.web.app gov.vn thanhpho.gov.vn
"""


@pytest.mark.parametrize("name", NAMES.split())
def test_the_test_agrees_with_the_library(name: str) -> None:
    library = publicsuffixlist.PublicSuffixList()
    assert suffixes.load()(names.key_of_text(name)) == (library.publicsuffix(name) == name)


@pytest.mark.parametrize("name", SHARED_HOSTS)
def test_shared_hosts_count_as_suffixes_and_their_sites_do_not(name: str) -> None:
    known = suffixes.load()
    assert known(names.key_of_text(name))
    assert not known(names.key_of_text(f"one-site.{name}")) or f"one-site.{name}" in SHARED_HOSTS


def test_of_many_names_those_to_ask_about_are_found_at_once() -> None:
    texts = [b"a.com", b"com", b"github.io", b"x.github.io", b"x.ck", b"a.x.ck", b"www.ck", b"ck", b"", b"no-dot"]
    assert SUFFIXES.among(texts) == {b"com", b"github.io", b"x.ck", b"www.ck", b"ck"}
    assert SUFFIXES.among([b"a.com", b"b.net"]) == set()
    missed = [text for text in texts if text and text not in SUFFIXES.among(texts)]
    assert not any(SUFFIXES(b".".join(reversed(text.split(b"."))) + b".") for text in missed)
