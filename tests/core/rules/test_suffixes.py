"""Public suffixes, against the library's own answers."""

from __future__ import annotations

import publicsuffixlist
import pytest

from filterd.core import names
from filterd.store import suffixes

NAMES = """com vn com.vn edu.vn co.uk github.io blogspot.com weebly.com herokuapp.com www.ck ck a.ck b.a.ck kawasaki.jp
city.kawasaki.jp x.kawasaki.jp kobe.jp a.kobe.jp google.com sites.google.com www.facebook.com xn--p1ai s3.amazonaws.com
compute.amazonaws.com a.compute.amazonaws.com b.a.compute.amazonaws.com web.app a.web.app gov.vn thanhpho.gov.vn
"""


@pytest.mark.parametrize("name", NAMES.split())
def test_the_test_agrees_with_the_library(name: str) -> None:
    library = publicsuffixlist.PublicSuffixList()
    assert suffixes.load()(names.key_of_text(name)) == (library.publicsuffix(name) == name)
