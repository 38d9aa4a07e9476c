"""The chain: what one line is, and that nobody changes, removes or moves one unseen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core import audit
from filterd.core.audit import MAX_LINE, START, Checker, Head, Report, TornError

NOW = 1_795_500_000


def log(count: int) -> list[bytes]:
    """Lines without their newlines."""
    head, lines = START, []
    for number in range(count):
        data, head = audit.line(head, {"event": "override", "place": f"7-{number}"}, NOW + number)
        lines.append(data.removesuffix(b"\n"))
    return lines


def look(lines: list[bytes], wanted: Head | None = None) -> Report:
    checker = Checker([("the head that was kept", wanted)] if wanted else ())
    checker.file("audit.jsonl", lines)
    return checker.report()


def head_of(lines: list[bytes]) -> Head:
    return look(lines).head


def test_a_line_is_json_and_its_hash_can_be_made_with_any_tool() -> None:
    data, head = audit.line(START, {"reason": "kiểm tra"}, NOW)
    assert json.loads(data) == {
        "sequence": 1, "time": NOW, "previous": "0" * 64, "entry": {"reason": "kiểm tra"}, "sha256": head.hash,
    }  # fmt: skip
    body = data.decode().partition(',"sha256"')[0] + "}"
    assert hashlib.sha256(body.encode()).hexdigest() == head.hash
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1


def test_a_whole_log_is_sound() -> None:
    lines = log(5)
    report = look(lines)
    assert (report.sound, report.lines, report.torn) == (True, 5, ())
    assert report.head == audit.parse(lines[4]).head
    assert look([]) == Report(START, 0)


def altered(lines: list[bytes]) -> None:
    lines[2] = lines[2].replace(b"7-2", b"7-9")


def removed(lines: list[bytes]) -> None:
    del lines[2]


def first_removed(lines: list[bytes]) -> None:
    del lines[0]


def swapped(lines: list[bytes]) -> None:
    lines[1], lines[2] = lines[2], lines[1]


def twice(lines: list[bytes]) -> None:
    lines.insert(2, lines[2])


def sealed_anew(lines: list[bytes]) -> None:
    """Changed by somebody who knows how the hash is made."""
    before = audit.parse(lines[1]).head
    lines[2] = audit.line(before, {"event": "override", "place": "other"}, NOW)[0].removesuffix(b"\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (altered, "line 3: altered: its hash does not fit"),
        (removed, "line 3: it is line 4 of the log where 3 was expected"),
        (first_removed, "line 1: it is line 2 of the log where 1 was expected"),
        (swapped, "line 2: it is line 3 of the log where 2 was expected"),
        (twice, "line 4: it is line 3 of the log where 4 was expected"),
        (sealed_anew, "line 4: line 4 does not follow the line before: that one was changed"),
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
def test_a_log_that_was_changed_is_seen(change: Callable[[list[bytes]], None], said: str) -> None:
    lines = log(5)
    change(lines)
    report = look(lines)
    assert not report.sound
    assert f"audit.jsonl {said}" in report.problems


@pytest.mark.parametrize("keep", [0, 1, 4])
def test_a_tail_that_was_cut_off_is_seen_against_a_head_that_was_kept(keep: int) -> None:
    lines = log(5)
    kept = head_of(lines)
    assert look(lines[:keep]).sound
    report = look(lines[:keep], kept)
    assert report.problems == (
        f"the end is missing: the head that was kept knows 5 lines, and the log has {keep}",
    )  # fmt: skip


def test_an_older_head_still_fits_a_log_that_grew() -> None:
    lines = log(5)
    for count in range(6):
        assert look(lines, head_of(lines[:count])).sound


def test_a_log_without_the_lines_that_were_removed_on_purpose_is_sound() -> None:
    lines = log(5)
    for count in range(6):
        checker = Checker([("it", head_of(lines))], head_of(lines[:count]))
        checker.file("audit.jsonl", lines[count:])
        assert (checker.report().problems, checker.report().head) == ((), head_of(lines))
    checker = Checker([("it", head_of(lines[:1]))], head_of(lines[:2]))
    checker.file("audit.jsonl", lines[2:])
    assert checker.report().problems == ("line 1, which it knows, is one of those that were removed",)
    checker = Checker((), head_of(lines[:2]))
    checker.file("audit.jsonl", lines[3:])
    assert not checker.report().sound


def test_a_log_written_anew_is_seen_against_a_head_that_was_kept() -> None:
    kept = head_of(log(5))
    head, lines = START, []
    for number in range(7):
        data, head = audit.line(head, {"event": "nothing", "number": number}, NOW)
        lines.append(data.removesuffix(b"\n"))
    assert look(lines).sound
    assert look(lines, kept).problems == (
        "line 5 is not the one that the head that was kept knows: the log was written anew",
    )  # fmt: skip


@pytest.mark.parametrize(
    "half",
    [
        pytest.param(lambda data: data[:1], id="one byte"),
        pytest.param(lambda data: data[: len(data) // 2], id="half"),
        pytest.param(lambda data: data[:-1], id="all but the last byte"),
        pytest.param(lambda data: bytes(len(data)), id="zeros, as some file systems leave them"),
        pytest.param(lambda data: bytes(20) + data[20:], id="zeros at its beginning"),
        pytest.param(lambda data: b"x" * (MAX_LINE + 1), id="more than a line can be"),
    ],
)
@pytest.mark.parametrize("at", [0, 3, 5])
def test_half_a_line_is_passed_over_and_said(half: Callable[[bytes], bytes], at: int) -> None:
    lines = log(6)
    kept = head_of(lines[:5])
    lines = lines[:5]
    lines.insert(at, half(log(6)[5]))
    report = look(lines, kept)
    assert report.sound
    assert len(report.torn) == 1
    assert report.torn[0].startswith(f"audit.jsonl line {at + 1}: ")
    found = audit.last(b"\n".join(lines))
    assert found is not None
    assert found.head == kept


def test_half_a_line_in_the_place_of_a_whole_one_is_seen() -> None:
    lines = log(5)
    lines[2] = lines[2][:30]
    assert look(lines).problems == ("audit.jsonl line 4: it is line 4 of the log where 3 was expected",)


def test_a_file_of_nothing_but_damage_makes_a_bounded_report() -> None:
    assert len(look([b"x"] * 5000).torn) == audit.MAX_SAID


def sealed(text: bytes) -> bytes:
    return text[:-1] + b',"sha256":"' + hashlib.sha256(text).hexdigest().encode() + b'"}'


@pytest.mark.parametrize(
    "text",
    [
        b"{}", b"[]}", b'{"sequence":1,"time":1,"previous":"","entry":[]}',
        b'{"sequence":"1","time":1,"previous":"","entry":{}}', b'{"sequence":true,"time":1,"previous":"","entry":{}}',
        b'{"sequence":1,"time":1.5,"previous":"","entry":{}}', b"[" * 9000 + b"}", b"\xff\xfe}",
    ],
    ids=["empty", "a list", "a list for an entry", "a text for a number", "a truth for a number", "half a second",
         "deep", "binary"],
)  # fmt: skip
def test_what_is_sealed_and_no_line_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="not an audit line") as caught:
        audit.parse(sealed(text))
    assert not isinstance(caught.value, TornError)


@pytest.mark.parametrize(
    "entry",
    [{"a": float("nan")}, {"a": {1, 2}}, {"a": "x" * MAX_LINE}, {"a": "\ud800"}, {"a": b"x"}],
    ids=["not a number", "a set", "too long", "half a letter", "bytes"],
)
def test_what_cannot_be_a_line_is_refused(entry: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="audit log"):
        audit.line(START, entry, NOW)


def test_a_head_is_read_as_it_is_written() -> None:
    head = head_of(log(3))
    assert Head.parse(f" {head}\n") == head
    for text in ("", "3", f"3:{head.hash[:-1]}", f"-3:{head.hash}", f"3:{head.hash.upper()}", "x" * 10_000):
        with pytest.raises(ValueError, match="is no head"):
            Head.parse(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.text(st.characters(codec="utf-8")), JSON, max_size=3), max_size=5))
def test_whatever_is_written_is_read_again(entries: list[dict[str, object]]) -> None:
    head, lines = START, []
    for entry in entries:
        data, head = audit.line(head, entry, NOW)
        lines.append(data.removesuffix(b"\n"))
    assert [audit.parse(data).entry for data in lines] == entries
    assert look(lines, head).sound


@given(st.integers(0, 4), st.data())
def test_no_byte_of_a_log_changes_unseen(at: int, data: st.DataObject) -> None:
    lines = log(5)
    kept = head_of(lines)
    where = data.draw(st.integers(0, len(lines[at]) - 1))
    other = data.draw(st.integers(1, 255))
    lines[at] = lines[at][:where] + bytes([lines[at][where] ^ other]) + lines[at][where + 1 :]
    split = [piece for line in lines for piece in line.split(b"\n")]
    assert not look(split, kept).sound
