"""Names in random case: only letters change, and by the noise alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from filterd.core.case import mixed
from filterd.core.names import wire_of_text

NAME = wire_of_text("www.a-1.example.org")


@given(st.binary(min_size=len(NAME), max_size=len(NAME)))
def test_the_name_is_the_same_but_for_case(noise):
    assert mixed(NAME, noise).lower() == NAME


def test_each_letter_follows_its_own_bit():
    assert mixed(NAME, bytes(len(NAME))) == NAME
    assert mixed(NAME, b"\xff" * len(NAME)) == NAME.upper()


def test_bytes_that_are_no_letters_stay():
    label = bytes(set(range(256)) - set(range(97, 123)))[:63]
    name = bytes((len(label),)) + label + b"\0"
    assert mixed(name, b"\xff" * len(name)) == name
