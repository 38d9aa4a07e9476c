"""The index of a bundle: what it must look like, and what may follow what."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from filterd.core import bundle
from filterd.core.bundle import DAY_S, Accepted, File, Index, Listed, Record
from filterd.core.updates import Why
from filterd.errors import TrustError

NOW = 1_800_000_000
KEY, OTHER = "0123456789abcdef", "fedcba9876543210"
INDEX = Index(
    name="Phòng Giáo dục Hoa Sen",
    signer=KEY,
    version=NOW,
    created_at=NOW,
    expires_at=NOW + 30 * DAY_S,
    generation="000012-00112233445566aa",
    folder="000012-00112233445566aa",
    table_format=1,
    byteorder="little",
    names=3,
    files={"meta.json": File(700, "00112233445566aa" * 4), "trie.marisa": File(4096, "b" * 64)},
    sources=(Listed("a", "List A", "https://a.example/x.txt", "MIT", "adult", 3, NOW, "taken"),),
)


def accepted(index: Index = INDEX, digest: str = "a" * 64) -> Accepted:
    return Accepted(index.version, index.created_at, digest)


def judge(index: Index = INDEX, record: Record | None = None, now: int = NOW, trusted: bool = True) -> str:
    return bundle.judge(index, accepted(index), record or Record(), now, trusted)


def test_an_index_is_read_as_it_was_written() -> None:
    assert Index.parse(INDEX.to_bytes()) == INDEX
    assert INDEX.total == 4796
    assert INDEX.table == "00112233445566aa"
    assert "Phòng Giáo dục".encode() in INDEX.to_bytes()


def changed(path: str, value: Any) -> bytes:
    """The index with one value changed; a path of keys and numbers, `del` takes it away."""
    body = json.loads(INDEX.to_bytes())
    at, steps = body, path.split("/")
    for step in steps[:-1]:
        at = at[int(step) if step.isdigit() else step]
    if value is ...:
        del at[steps[-1]]
    else:
        at[int(steps[-1]) if steps[-1].isdigit() else steps[-1]] = value
    return json.dumps(body).encode()


WRONG = [
    *[pytest.param(changed(key, ...), key, id=f"no {key}") for key in dataclasses.asdict(INDEX)],
    pytest.param(changed("kind", "floor"), "it is no index of a bundle", id="another kind"),
    pytest.param(b"[]", "it is no index of a bundle", id="a list"),
    pytest.param(b"{", "Expecting property name", id="no JSON"),
    pytest.param(b'{"kind": "\xff"}', "can't decode", id="no UTF-8"),
    pytest.param(b"[" * 200_000, "recursion", id="nested without end"),
    pytest.param(changed("version", -1), "'version'", id="a negative version"),
    pytest.param(changed("version", True), "'version'", id="true for a number"),
    pytest.param(changed("version", 1.5), "'version'", id="a fraction"),
    pytest.param(changed("version", 1 << 53), "'version'", id="a number that JSON does not carry"),
    pytest.param(b'{"kind": "filterd-bundle", "format": 1, "x": ' + b"9" * 9999 + b"}", "digits", id="endless digits"),
    pytest.param(changed("name", "a\x1b[2Jb"), "'name'", id="a name for the terminal"),
    pytest.param(changed("name", "x" * 2001), "'name'", id="an endless name"),
    pytest.param(changed("name", "\ud800"), "'name'", id="half a character"),
    pytest.param(changed("signer", "0123"), "'signer' is '0123'", id="a short key id"),
    pytest.param(changed("generation", "../../etc"), "'generation'", id="a generation that leads elsewhere"),
    pytest.param(changed("folder", "../000012-00112233445566aa"), "'folder'", id="a folder above"),
    pytest.param(changed("folder", "000012-00112233445566aa/.."), "'folder'", id="a folder below"),
    pytest.param(changed("folder", "/etc"), "'folder'", id="a folder anywhere"),
    pytest.param(changed("files", {}), "no files", id="no files"),
    pytest.param(changed("files", {f"{chr(97 + n)}.x": {} for n in range(21)}), "or too many", id="many files"),
    *[
        pytest.param(changed("files", {name: {"size": 1, "sha256": "b" * 64}}), "no name of a bundle's file", id=name)
        for name in ("../x.bin", "a/x.bin", "/etc/passwd", "..", "", ".hidden", "a.b.c", "x.bin\n", "a\\b.c")
    ],
    pytest.param(changed("files/meta.json/sha256", "B" * 64), "'sha256'", id="no checksum"),
    pytest.param(changed("files/meta.json/size", "7"), "'size'", id="a size in words"),
    pytest.param(changed("files/meta.json", None), "'size'", id="nothing said of a file"),
    pytest.param(changed("files/meta.json/size", (1 << 30) + 1), "larger than 1024 MiB", id="a huge file"),
    pytest.param(changed("sources", {}), "no sources", id="sources in a map"),
    pytest.param(changed("sources/0", "a"), "'id'", id="a source that is a word"),
    pytest.param(changed("sources/0/entries", None), "'entries'", id="a source without entries"),
]


@pytest.mark.parametrize(("data", "said"), WRONG)
def test_what_is_no_index_is_refused_though_it_is_signed(data: bytes, said: str) -> None:
    with pytest.raises(TrustError, match=r"index\.json is signed, but ") as caught:
        Index.parse(data)
    assert said in str(caught.value)
    assert caught.value.why == Why.FORMAT


def test_another_format_says_who_needs_a_newer_program() -> None:
    with pytest.raises(TrustError, match="the bundle has format 2, this filterd reads 1") as caught:
        Index.parse(changed("format", 2))
    assert caught.value.why == Why.MACHINE


# -- what may follow what ---------------------------------------------------------------------------------------------

BEFORE = Record().after(KEY, Accepted(NOW - 10, NOW - 10, "b" * 64))


def test_the_first_bundle_and_a_newer_one_are_taken_without_a_word() -> None:
    assert judge() == ""
    assert judge(record=BEFORE) == ""


def test_the_same_bundle_again_is_no_roll_back() -> None:
    assert judge(record=Record().after(KEY, accepted())) == ""


REFUSED = [
    pytest.param(
        Accepted(NOW + 1, NOW, "b" * 64), KEY, f"version {NOW + 1} (2027-01-15) of the same key was imported before",
        id="an older version",
    ),
    pytest.param(Accepted(NOW, NOW, "b" * 64), KEY, "another one with that version", id="another of the same version"),
    pytest.param(
        Accepted(5, NOW + DAY_S, "b" * 64), OTHER, "made on 2027-01-15, the last one imported on 2027-01-16",
        id="an old one of another key",
    ),
]  # fmt: skip


@pytest.mark.parametrize("trusted", [True, False], ids=["clock right", "clock unknown"])
@pytest.mark.parametrize(("last", "key", "said"), REFUSED)
def test_an_older_bundle_is_never_taken(last: Accepted, key: str, said: str, trusted: bool) -> None:
    with pytest.raises(TrustError) as caught:
        judge(record=Record().after(key, last), trusted=trusted)
    assert said in str(caught.value)
    assert caught.value.why == Why.OLDER


def test_versions_of_one_key_say_nothing_about_another() -> None:
    assert judge(record=Record().after(OTHER, Accepted(NOW + 999, NOW - 10, "b" * 64))) == ""


def test_the_versions_of_every_key_are_remembered() -> None:
    record = Record().after(KEY, Accepted(NOW + 1, NOW - 99, "b" * 64)).after(OTHER, Accepted(7, NOW - 10, "c" * 64))
    assert record.last == Accepted(7, NOW - 10, "c" * 64)
    with pytest.raises(TrustError, match="of the same key was imported before"):
        judge(record=record)


@pytest.mark.parametrize(
    ("now", "said", "why"),
    [
        pytest.param(INDEX.expires_at, "expired on 2027-02-14; today is 2027-02-14", Why.EXPIRED, id="just expired"),
        pytest.param(INDEX.expires_at + 999 * DAY_S, "Ask for a newer one", Why.EXPIRED, id="long ago"),
        pytest.param(NOW - 2 * DAY_S, "more than a day ahead of this box (2027-01-13)", Why.CLOCK, id="from tomorrow"),
    ],
)
def test_dates_are_checked_where_the_time_is_known(now: int, said: str, why: Why) -> None:
    with pytest.raises(TrustError) as caught:
        judge(now=now)
    assert said in str(caught.value)
    assert caught.value.why == why


@pytest.mark.parametrize("now", [INDEX.expires_at - 1, NOW, NOW - DAY_S], ids=["last second", "now", "a day behind"])
def test_clocks_may_differ_by_a_day(now: int) -> None:
    assert judge(now=now) == ""


def test_without_the_time_dates_are_only_a_warning() -> None:
    assert judge(now=0, trusted=False) == (
        "this box does not know the time (it says 1970-01-01), so the bundle's dates were not checked"
    )
    assert judge(now=INDEX.expires_at, trusted=False).endswith("; the bundle expired on 2027-02-14 by it")


def test_a_day_beyond_the_calendar_is_told_all_the_same() -> None:
    assert bundle.day((1 << 53) - 1) == "second 9007199254740991"


# -- bundle.json ------------------------------------------------------------------------------------------------------


def test_a_record_is_read_as_it_was_written() -> None:
    record = BEFORE.after(OTHER, accepted())
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record


@pytest.mark.parametrize(
    "data",
    [
        None, [], {}, {"format": 2, "signer": "", "accepted": {}}, {"format": 1, "signer": KEY, "accepted": {}},
        {"format": 1, "signer": KEY, "accepted": {KEY: {"version": 1, "created_at": 1}}},
        {"format": 1, "signer": KEY, "accepted": {KEY: None}},
    ],
)  # fmt: skip
def test_what_is_no_record_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match=r"it|its"):
        Record.from_json(data)
