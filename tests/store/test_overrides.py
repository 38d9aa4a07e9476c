"""overrides.json: what the API writes is read, anything else is a ValueError that says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filterd.core.overrides import Override, Overrides
from filterd.core.policy import Rules
from filterd.store import overrides
from tests import schools

GOOD = {
    "items": [
        {
            "place": "3a", "since": 5, "until": 10, "profile": "exam", "by": "teacher",
            "allow": {"categories": ["games"], "services": ["olm"], "names": ["=thi.example.vn"]},
            "block": {"names": ["xn--bcher-kva.example"]},
        },
        {"place": "7-3", "until": 20},
    ],
    "sequence": 4,
}  # fmt: skip


def write(state: Path, data: object) -> None:
    overrides.path(state).write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())


def test_no_file_is_no_overrides(tmp_path: Path) -> None:
    assert overrides.load(tmp_path) == Overrides()


def test_what_the_api_writes_is_read(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    assert overrides.load(tmp_path) == Overrides(
        (
            Override(
                "3a", 10, 5, "exam", Rules(("games",), ("olm",), ("=thi.example.vn",)),
                Rules(names=("xn--bcher-kva.example",)), "teacher",
            ),
            Override("7-3", 20),
        ),
        4,
    )  # fmt: skip
    write(tmp_path, overrides.load(tmp_path).to_json())
    assert overrides.load(tmp_path).sequence == 4


def item(**changes: object) -> dict[str, object]:
    return {"items": [{"place": "3a", "until": 10, **changes}], "sequence": 1}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting"),
        (b"\xff\xfe\x00", "decode"),
        (b"[]", "not a set of overrides"),
        (b"7", "not a set of overrides"),
        (b"[" * 100_000, "recursion"),
        ({"items": []}, "sequence"),
        ({"items": [7], "sequence": 1}, "not a set of overrides"),
        ({"items": {"a": 1}, "sequence": 1}, "not a set of overrides"),
        (b'{"items": [], "sequence": 1e999}', "not a set of overrides"),
        (b'{"items": [{"place": "3a", "until": NaN}], "sequence": 1}', "NaN"),
        (item(until=None), "not a set of overrides"),
        (item(allow=[]), "not a set of overrides"),
        (item(allow={"nmes": []}), "nmes"),
        (item(allow={"names": [1]}), "[1] is not a list of texts"),
        (item(allow={"categories": [None]}), "[None] is not a list of texts"),
        (item(block={"names": ["trò.vn"]}), "is not in normal form"),
        (item(block={"names": ["Example.org"]}), "'Example.org' is not in normal form"),
        (item(block={"names": ["*.example.org"]}), "not a domain name"),
        (item(block={"names": [""]}), "not a domain name"),
    ],
    ids=[
        "empty", "half", "binary", "a list", "a number", "deep", "no sequence", "a number for an override",
        "an object for a list", "endless sequence", "an end that is no number", "no end", "a list for rules",
        "an unknown key", "a number for a name", "null for a category", "unicode", "upper case", "a star",
        "an empty name",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_what_is_wrong(tmp_path: Path, data: object, says: str) -> None:
    write(tmp_path, data)
    with pytest.raises(ValueError, match=r"overrides\.json") as caught:
        overrides.load(tmp_path)
    assert says in str(caught.value)


def test_a_file_of_absurd_size_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, b" " * (overrides.MAX_BYTES + 1))
    with pytest.raises(ValueError, match="larger than 4 MiB"):
        overrides.load(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["place", "until", "since", "profile", "allow", "names", "by"]), inner)
    ),
    max_leaves=8,
)


@given(items=st.lists(JSON, max_size=3), sequence=JSON)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_is_accepted_can_be_served(tmp_path: Path, items: object, sequence: object) -> None:
    write(tmp_path, {"items": items, "sequence": sequence})
    try:
        found = overrides.load(tmp_path)
    except ValueError:
        return
    schools.snapshot(overrides=found.items)
