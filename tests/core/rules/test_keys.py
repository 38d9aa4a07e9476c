"""Names to keys."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from filterd.core import names
from filterd.core.rules.keys import key_maker, quick_key_maker
from filterd.core.rules.model import Kind
from tests.core.rules.reading import SUFFIXES

LABEL = st.text(alphabet="abcXYZ019-_", min_size=1, max_size=63)


NAME = st.lists(LABEL, min_size=1, max_size=6).map(lambda labels: ".".join([*labels, "example"]))


@given(NAME)
def test_a_name_gives_the_key_that_names_gives(text: str) -> None:
    key = key_maker(SUFFIXES, tld_list=False)(text.encode())
    if len(text) > 253:
        assert key is Kind.TOO_LONG
    else:
        assert key == names.key_of_text(names.normal(text))


@given(
    st.one_of(
        st.binary(max_size=80), NAME.map(str.encode), st.text(alphabet="a1.-_ckomjp", max_size=20).map(str.encode)
    )
)
def test_the_quick_way_gives_the_same_key_or_none(name: bytes) -> None:
    quick = quick_key_maker(SUFFIXES)(name)
    assert quick is None or quick == key_maker(SUFFIXES, tld_list=False)(name)


def test_the_key_is_the_one_the_question_has() -> None:
    key = key_maker(SUFFIXES, tld_list=False)("WWW.Ví-dụ.vn".encode())
    assert key == names.key_of_wire(names.wire_of_text(names.normal("www.ví-dụ.vn")))
