"""Names to keys."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from filterd.core import names
from filterd.core.rules.keys import key_maker
from filterd.core.rules.model import Kind
from tests.core.rules.reading import SUFFIXES

LABEL = st.text(alphabet="abcXYZ019-_", min_size=1, max_size=63)


@given(st.lists(LABEL, min_size=1, max_size=6).map(lambda labels: ".".join([*labels, "example"])))
def test_the_short_way_gives_the_key_that_names_gives(text: str) -> None:
    key = key_maker(SUFFIXES, tld_list=False)(text.encode())
    if len(text) > 253:
        assert key is Kind.TOO_LONG
    else:
        assert key == names.key_of_text(names.normal(text))


def test_the_key_is_the_one_the_question_has() -> None:
    key = key_maker(SUFFIXES, tld_list=False)("WWW.Ví-dụ.vn".encode())
    assert key == names.key_of_wire(names.wire_of_text(names.normal("www.ví-dụ.vn")))
