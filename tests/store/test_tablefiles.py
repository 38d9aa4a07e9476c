"""What describes a table, and what does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from filterd.errors import TableError
from filterd.store import tablefiles
from tests.core.compiled import compiled

LISTS = ("domains", "games", "a.com\nb.com"), ("cidr", "ads", "192.0.2.0/24\n2001:db8::/32")


def files() -> dict[str, bytes]:
    return tablefiles.written(compiled(*LISTS), 1_700_000_000, "")


def meta() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files()["meta.json"])
    return found


def parsed(value: object) -> dict[str, Any]:
    return tablefiles.parsed(Path("meta.json"), json.dumps(value).encode())


def test_what_was_written_describes_a_table() -> None:
    assert parsed(meta()) == meta()
    assert [source.id for source in tablefiles.sources_of(meta())] == ["list-0", "list-1"]


@pytest.mark.parametrize("name", ["files", "sources", "sets", "keys", "width", "names", "built_at"])
@pytest.mark.parametrize("value", [None, "x", [[["x"]]], {"a": 1}, "gone"], ids=repr)
def test_another_shape_describes_none(name: str, value: object) -> None:
    found = {**meta(), name: value}
    if value == "gone":
        del found[name]
    with pytest.raises(TableError, match="is not what describes a table"):
        parsed(found)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"7", b"\xff", b"[" * 100_000], ids=lambda data: repr(data[:8]))
def test_what_is_no_object_describes_none(data: bytes) -> None:
    with pytest.raises(TableError, match="is not what describes a table"):
        tablefiles.parsed(Path("meta.json"), data)


@pytest.mark.parametrize("change", [{"format": 2}, {"byteorder": "middle"}], ids=str)
def test_another_version_or_machine_is_said_to_be_one(change: dict[str, object]) -> None:
    with pytest.raises(TableError, match="another version or another kind of machine"):
        parsed({**meta(), **change})


def written(folder: Path) -> Path:
    for name, data in files().items():
        (folder / name).write_bytes(data)
    return folder


def test_files_of_one_table_fit_each_other(tmp_path: Path) -> None:
    tablefiles.check_ids(written(tmp_path), meta())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"sets": [[]]}, id="ids beyond the sets"),
        pytest.param({"sets": [[], [-8], [0], [8]]}, id="a set with an impossible element"),
        pytest.param({"sources": []}, id="sets beyond the sources"),
        pytest.param({"keys": 3}, id="more keys"),
        pytest.param({"keys": 0, "networks": [2, 1]}, id="fewer networks"),
        pytest.param({"width": 4}, id="wider ids"),
        pytest.param({"width": 3}, id="a width there is not"),
    ],
)
def test_files_that_do_not_fit_each_other_are_no_table(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(TableError, match="no table of ours"):
        tablefiles.check_ids(written(tmp_path), {**meta(), **change})
