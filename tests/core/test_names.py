from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core import names
from filterd.errors import NameSyntaxError

label = st.binary(min_size=1, max_size=63)
labels = st.lists(label, max_size=8).filter(lambda parts: sum(map(len, parts)) + len(parts) < 255)


def wire_of(parts: list[bytes]) -> bytes:
    return b"".join(bytes((len(part),)) + part for part in parts) + b"\0"


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        pytest.param([], b"", id="the root"),
        pytest.param([b"com"], b"com.", id="one label"),
        pytest.param([b"www", b"example", b"com"], b"com.example.www.", id="root first"),
        pytest.param([b"WwW", b"eXample"], b"example.www.", id="case is folded"),
        pytest.param([b"_dmarc", b"a-b", b"9"], b"9.a-b._dmarc.", id="underscore, hyphen, digit"),
        pytest.param([b"a.b", b"com"], b"com.a\\2eb.", id="a dot inside a label"),
        pytest.param([b"a\0b", b"com"], b"com.a\\00b.", id="NUL inside a label"),
        pytest.param([b"$", b"com"], b"com.\\24.", id="a label like the exact marker"),
        pytest.param([b"a\\2eb"], b"a\\5c2eb.", id="a label like an escape"),
        pytest.param([b"\xc4\x90"], b"\\c4\\90.", id="bytes over 127"),
    ],
)
def test_key_of_a_wire_name(parts, key):
    assert names.key_of_wire(wire_of(parts)) == key


@given(labels, labels)
def test_two_names_share_a_key_only_if_they_are_the_same_name(one, other):
    same = [part.lower() for part in one] == [part.lower() for part in other]
    assert (names.key_of_wire(wire_of(one)) == names.key_of_wire(wire_of(other))) == same


@given(labels, labels)
def test_a_key_begins_another_exactly_if_it_is_an_ancestor(below, above):
    child = [part.lower() for part in below]
    parent = [part.lower() for part in above]
    begins = names.key_of_wire(wire_of(child)).startswith(names.key_of_wire(wire_of(parent)))
    assert begins == (child[len(child) - len(parent) :] == parent if len(parent) <= len(child) else False)


@given(labels)
def test_no_key_of_a_wire_name_holds_the_exact_marker_or_a_control_byte(parts):
    key = names.key_of_wire(wire_of(parts))
    assert names.EXACT not in key
    assert all(0x21 <= c <= 0x7E for c in key)


@given(labels)
def test_text_for_people_is_printable_ascii_whatever_the_bytes(parts):
    text = names.text_of_wire(wire_of(parts))
    assert text.isascii()
    assert text.isprintable()


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        pytest.param([], ".", id="root"),
        pytest.param([b"a.b", b"c"], "a\\.b.c", id="dot"),
        pytest.param([b"a\\"], "a\\\\", id="backslash"),
        pytest.param([b"\0\n "], "\\000\\010\\032", id="control bytes and blank"),
        pytest.param([b"<h1>"], "<h1>", id="markup is for the page to escape"),
    ],
)
def test_text_of_a_wire_name(parts, text):
    assert names.text_of_wire(wire_of(parts)) == text


def test_ancestors_come_longest_first():
    assert names.ancestors(b"com.example.www.") == [b"com.example.www.", b"com.example.", b"com."]
    assert names.ancestors(b"") == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("Example.COM.", "example.com", id="case and trailing dot"),
        pytest.param("  example.com\n", "example.com", id="blanks around"),
        pytest.param("_sip._tcp.example.com", "_sip._tcp.example.com", id="underscores"),
        pytest.param("trường.vn", "xn--trng-rib8295b.vn", id="IDN"),
        pytest.param("TRƯỜNG.vn。", "xn--trng-rib8295b.vn", id="IDN, upper case, ideographic full stop"),
        pytest.param("faß.de", "xn--fa-hia.de", id="IDNA 2008, not 2003"),
        pytest.param("a" * 63 + ".vn", "a" * 63 + ".vn", id="longest label"),
        pytest.param(".".join(["a" * 49] * 5) + ".vnn", ".".join(["a" * 49] * 5) + ".vnn", id="253 characters"),
    ],
)
def test_text_has_one_normal_form(text, name):
    assert names.normal(text) == name
    assert names.normal(name) == name


@pytest.mark.parametrize(
    ("text", "what"),
    [
        pytest.param("", "empty", id="empty"),
        pytest.param(" . ", "empty", id="root"),
        pytest.param("a..b", "label of 0", id="empty label"),
        pytest.param(".a", "label of 0", id="leading dot"),
        pytest.param("a" * 64 + ".vn", "label of 64", id="label too long"),
        pytest.param(".".join(["a" * 49] * 5) + ".vnnn", "longer than 253", id="name too long"),
        pytest.param("ex ample.com", "letters, digits", id="blank inside"),
        pytest.param("example.com$", "letters, digits", id="marker"),
        pytest.param("*.example.com", "letters, digits", id="star"),
        pytest.param("a/b.vn", "letters, digits", id="slash"),
        pytest.param("ẽx\u202e.vn", "not a domain name", id="direction override"),
    ],
)
def test_text_that_is_no_name_is_refused_and_says_why(text, what):
    with pytest.raises(NameSyntaxError, match=what):
        names.normal(text)


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_a_name_syntax_error(text):
    try:
        name = names.normal(text)
    except NameSyntaxError:
        return
    assert names.text_of_key(names.key_of_text(name)) == name
    assert names.text_of_wire(names.wire_of_text(name)) == name
    assert names.key_of_wire(names.wire_of_text(name)) == names.key_of_text(name)
    assert len(names.wire_of_text(name)) <= names.MAX_NAME_BYTES


def test_text_of_an_exact_key_is_the_name():
    assert names.text_of_key(b"com.example.$") == "example.com"
    assert names.text_of_key(b"") == "."


def test_wire_form_of_the_root():
    assert names.wire_of_text("") == b"\0"
