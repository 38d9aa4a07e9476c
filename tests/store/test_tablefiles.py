"""What describes a table, and what does not."""

from __future__ import annotations

import json
import os
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


@pytest.mark.parametrize(
    "name", ["../../etc/cron.d/x", "/etc/passwd", "report.json", "meta.json", ""], ids=lambda name: name or "none"
)
def test_a_table_has_no_other_files(name: str) -> None:
    found = meta()
    found["files"][name] = found["files"]["sets.bin"]
    with pytest.raises(TableError, match="names other files than a table has"):
        parsed(found)


@pytest.mark.parametrize(
    "row", [["a", 1, 1, 1, False], [1, "ads", 1, 1, False], ["a", "ads", 1.5, 1, False], ["a", "ads", 1, "1", False]]
)
def test_a_source_of_other_words_describes_none(row: list[object]) -> None:
    with pytest.raises(TableError, match="is not what describes a table"):
        parsed({**meta(), "sources": [row]})


@pytest.mark.parametrize("number", [-1, 1 << 60, True], ids=repr)
def test_a_time_of_no_calendar_describes_none(number: int) -> None:
    with pytest.raises(TableError, match="is not what describes a table"):
        parsed({**meta(), "built_at": number})


def test_pipes_and_links_are_not_read(tmp_path: Path) -> None:
    contents = files()
    folder = tmp_path / f"000001-{tablefiles.hash_of(contents['meta.json'])}"
    folder.mkdir()
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    (folder / "sets.bin").rename(tmp_path / "sets.bin")
    (folder / "sets.bin").symlink_to(tmp_path / "sets.bin")
    with pytest.raises(TableError, match="cannot be read"):
        tablefiles.check(folder, tablefiles.read_meta(folder))
    (folder / "meta.json").unlink()
    os.mkfifo(folder / "meta.json")
    with pytest.raises(TableError, match="is not a regular file: it is damaged"):
        tablefiles.read_meta(folder)


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
