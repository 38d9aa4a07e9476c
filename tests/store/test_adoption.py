"""A table from another box: copied, checked as copied, then in force."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filterd.core import names
from filterd.errors import TableError
from filterd.store import adoption, tables
from tests.core.compiled import compiled

NOW = 1_700_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the other box published."""
    lists = ("domains", "games", "district.com"), ("cidr", "ads", "192.0.2.0/24")
    generation = tables.publish(tmp_path / "district", compiled(*lists), 1_600_000_000)
    return tmp_path / "district/tables" / generation


@pytest.fixture
def state(tmp_path: Path) -> Path:
    tables.publish(tmp_path / "state", compiled(("domains", "games", "own.com")), 1_500_000_000)
    return tmp_path / "state"


def signed(folder: Path) -> str:
    return hashlib.sha256((folder / "meta.json").read_bytes()).hexdigest()


def rewrite(folder: Path, **changes: Any) -> None:
    meta = json.loads((folder / "meta.json").read_bytes())
    (folder / "meta.json").write_text(json.dumps(meta | changes))


def test_a_table_of_another_box_is_in_force_as_it_was_made_there(state: Path, folder: Path) -> None:
    generation = tables.adopt(state, folder, NOW, 2, signed(folder))
    assert generation.startswith("000002-")
    assert tables.current(state) == generation
    directory = tables.verify(state, generation)
    table = tables.open_table(directory)
    assert (table.mask(names.key_of_text("www.district.com")), table.built_at) == (0b10, 1_600_000_000)
    assert directory.stat().st_mtime == NOW
    assert sorted(os.listdir(directory)) == ["meta.json", "networks.bin", "sets.bin", "trie.marisa"]
    assert len(tables.generations(state)) == 2


def test_it_comes_as_one_of_our_own_and_can_be_gone_back_from(state: Path, folder: Path) -> None:
    before = tables.current(state)
    tables.adopt(state, folder, NOW)
    assert tables.rollback(state) == before
    with pytest.raises(TableError, match="could not be taken over: a rollback pinned"):
        tables.adopt(state, folder, NOW)


def cut(folder: Path) -> None:
    path = folder / "trie.marisa"
    path.write_bytes(path.read_bytes()[:-1])


def grow(folder: Path) -> None:
    path = folder / "sets.bin"
    path.write_bytes(path.read_bytes() + b"x")


def flip(folder: Path) -> None:
    data = bytearray((folder / "sets.bin").read_bytes())
    data[0] ^= 1
    (folder / "sets.bin").write_bytes(data)


def link(folder: Path) -> None:
    (folder / "sets.bin").rename(folder.parent / "sets.bin")
    (folder / "sets.bin").symlink_to(folder.parent / "sets.bin")


def pipe(folder: Path) -> None:
    (folder / "sets.bin").unlink()
    os.mkfifo(folder / "sets.bin")


def escape(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_bytes())
    rewrite(folder, files={**meta["files"], "../../CURRENT": {"size": 1, "sha256": "0" * 64}})


def endless(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_bytes())
    meta["files"]["sets.bin"]["size"] = 1 << 36
    rewrite(folder, files=meta["files"])


HARM: list[tuple[str, Callable[[Path], object], str]] = [
    ("cut short", cut, r"trie\.marisa has \d+ bytes, not"),
    ("grown", grow, r"sets\.bin has more bytes, not"),
    ("one bit", flip, r"sets\.bin does not have the SHA-256"),
    ("gone", lambda folder: (folder / "networks.bin").unlink(), r"networks\.bin cannot be read: No such file"),
    ("a link", link, r"sets\.bin cannot be read: Too many levels of symbolic links"),
    ("a pipe", pipe, r"sets\.bin is not a regular file"),
    ("a name that leads out", escape, "names other files than a table has"),
    ("a file without end", endless, "larger than any table"),
    ("a table without keys", lambda folder: rewrite(folder, files={}), "names other files than a table has"),
    ("sets out of range", lambda folder: rewrite(folder, sets=[[]]), "no table of ours"),
    ("another machine", lambda folder: rewrite(folder, byteorder="middle"), "another kind of machine"),
    ("no description", lambda folder: (folder / "meta.json").unlink(), r"meta\.json cannot be read: No such file"),
    ("half a description", lambda folder: (folder / "meta.json").write_bytes(b"{"), "is not what describes a table"),
    ("a huge description", lambda folder: os.truncate(folder / "meta.json", 1 << 30), "larger than 64 MiB"),
]  # fmt: skip


@pytest.mark.parametrize(("harm", "reason"), [row[1:] for row in HARM], ids=[row[0] for row in HARM])
def test_what_is_not_whole_is_not_taken_over(
    state: Path, folder: Path, harm: Callable[[Path], object], reason: str
) -> None:
    before, files = tables.current(state), sorted(state.rglob("*"))
    harm(folder)
    with pytest.raises(TableError, match=reason):
        tables.adopt(state, folder, NOW)
    assert tables.current(state) == before
    assert sorted(state.rglob("*")) == files


def test_a_description_that_was_not_signed_is_refused(state: Path, folder: Path) -> None:
    wanted = signed(folder)
    rewrite(folder, names=7)
    with pytest.raises(TableError, match=r"meta\.json does not have the SHA-256 that was signed"):
        tables.adopt(state, folder, NOW, meta_sha256=wanted)


def test_a_file_that_changes_after_it_was_looked_at_is_found(state: Path, folder: Path) -> None:
    offer = adoption.look(folder, signed(folder))
    rewrite(folder, names=7)
    flip(folder)
    beside = state / "beside"
    beside.mkdir()
    with pytest.raises(TableError, match=r"sets\.bin does not have the SHA-256"):
        adoption.copy(offer, beside)


def test_a_stick_pulled_out_is_a_fault_of_the_stick(state: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    offer = adoption.look(folder, None)
    monkeypatch.setattr(os, "read", broken)
    (state / "beside").mkdir()
    with pytest.raises(TableError, match="cannot be read: Input/output error"):
        adoption.copy(offer, state / "beside")
