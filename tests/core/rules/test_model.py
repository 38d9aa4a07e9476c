"""The shared words of the formats."""

from __future__ import annotations

import pytest

from filterd.core.rules.model import CODE_OF_COVERS, CODES, COVERS_MASK, EXCEPTION, without_comment


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        pytest.param(b"a.com   #Gore", b"a.com", id="after blanks"),
        pytest.param(b"a.com\t# why # not", b"a.com", id="after a tab"),
        pytest.param(b"a.com#b", b"a.com#b", id="inside a word"),
        pytest.param(b"a#b # c", b"a#b", id="the first after a blank"),
        pytest.param(b"# a.com", b"", id="the whole line"),
        pytest.param(b"a.com", b"a.com", id="none"),
    ],
)
def test_a_comment_begins_at_a_hash_after_a_blank(line: bytes, rest: bytes) -> None:
    assert without_comment(line) == rest


def test_every_way_to_cover_has_a_code_that_leaves_room_for_exceptions() -> None:
    assert set(CODE_OF_COVERS) == {"subtree", "exact", "below"}
    for code in CODE_OF_COVERS.values():
        assert code & COVERS_MASK == code
        assert (code | EXCEPTION) < CODES
