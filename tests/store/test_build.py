"""From copies to a published table."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterd.core import names
from filterd.core.source import Source
from filterd.errors import TableError
from filterd.store import build as builder
from filterd.store import lists, tables
from tests.core.rules.reading import source
from tests.store.copies import staged, take


def sources(folder: Path, **texts: str) -> list[Source]:
    (folder / "blocklists").mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / "blocklists" / name).write_text(text)
    return [source("domains", id=name, url=f"file:{name}", min_entries=1) for name in texts]


def build(folder: Path, wanted: list[Source]) -> builder.Built:
    return builder.build(wanted, folder / "blocklists", folder / "state", 1_700_000_000)


def in_table(folder: Path) -> list[str]:
    current = tables.current(folder / "state")
    return [] if current is None else [s.id for s in tables.sources_of(folder / "state", current)]


def test_every_list_with_a_copy_goes_into_the_table(tmp_path: Path) -> None:
    wanted = sources(tmp_path, a="a.com\n", b="b.com\n")
    remote = source("domains", id="r", url="https://lists.example/r")
    off = source("domains", id="off", url="file:a", enabled=False)
    built = build(tmp_path, [*wanted, remote, off])
    assert in_table(tmp_path) == ["a", "b"]
    assert (built.no_copy, built.refused, built.lost) == (["r"], {}, [])


def test_a_refused_list_is_named_and_the_others_are_published(tmp_path: Path) -> None:
    build(tmp_path, sources(tmp_path, a="a.com\n", b="b.com\n"))
    built = build(tmp_path, sources(tmp_path, a="<!doctype html>\n", b="b.com\n"))
    assert list(built.refused) == ["a"]
    assert "line 1 is HTML: '<!doctype html>'" in built.refused["a"]
    assert built.lost == ["a"]
    assert in_table(tmp_path) == ["b"]
    assert built.generation is not None
    assert tables.report_of(tmp_path / "state", built.generation)["a"]["reason"] == built.refused["a"]


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    wanted = sources(tmp_path, a="a.com\n", b="b.com\n")
    (tmp_path / "blocklists/a").unlink()
    assert "does not exist" in build(tmp_path, wanted).refused["a"]
    assert in_table(tmp_path) == ["b"]


def test_when_no_list_is_usable_what_is_in_force_stays(tmp_path: Path) -> None:
    build(tmp_path, sources(tmp_path, a="a.com\n"))
    before = tables.current(tmp_path / "state")
    built = build(tmp_path, sources(tmp_path, a="# Entries: 0\n"))
    assert built.generation is None
    assert built.lost == ["a"]
    assert tables.current(tmp_path / "state") == before


def test_a_list_that_is_no_longer_wanted_is_not_missed(tmp_path: Path) -> None:
    a, b = sources(tmp_path, a="a.com\n", b="b.com\n")
    build(tmp_path, [a, b])
    assert build(tmp_path, [b]).lost == []


def test_a_damaged_table_does_not_stop_the_next_build(tmp_path: Path) -> None:
    wanted = sources(tmp_path, a="a.com\n")
    first = build(tmp_path, wanted).generation
    assert first is not None
    (tmp_path / "state/tables" / first / "meta.json").write_bytes(b"")
    assert build(tmp_path, wanted).generation == tables.current(tmp_path / "state") != first


REMOTE = source("domains", id="r", url="https://lists.example/r", min_entries=1)


def compile_lists(folder: Path, wanted: list[Source], **staged_files: Path) -> builder.Built:
    return builder.compile_lists(wanted, folder / "blocklists", folder / "state", staged_files)


def test_compiling_publishes_nothing(tmp_path: Path) -> None:
    built = compile_lists(tmp_path, sources(tmp_path, a="a.com\n"))
    assert built.has_sources
    assert (built.generation, tables.generations(tmp_path / "state")) == (None, [])
    table = builder.table_of(built)
    assert (table.mask(names.key_of_text("www.a.com")), table.names) == (1, 1)
    assert builder.publish(tmp_path / "state", built, 0) == built.generation == tables.current(tmp_path / "state")


def test_a_download_is_compiled_in_place_of_the_last_good_copy(tmp_path: Path) -> None:
    take(tmp_path / "state", "r", "old.com\n")
    new = staged(tmp_path / "state", "new.com\n")
    table = builder.table_of(compile_lists(tmp_path, [REMOTE], r=new))
    assert table.mask(names.key_of_text("new.com"))
    assert not table.mask(names.key_of_text("old.com"))
    assert builder.table_of(compile_lists(tmp_path, [REMOTE])).mask(names.key_of_text("old.com"))


def test_a_download_that_is_gone_is_refused_by_name(tmp_path: Path) -> None:
    built = compile_lists(tmp_path, [*sources(tmp_path, a="a.com\n"), REMOTE], r=tmp_path / "gone")
    assert built.refused == {"r": "r cannot be read: No such file or directory"}
    assert [s.id for s in built.compiled.sources] == ["a"]


def test_when_nothing_changed_the_table_in_force_says_so(tmp_path: Path) -> None:
    take(tmp_path / "state", "r", "old.com\n")
    wanted = [*sources(tmp_path, a="a.com\n"), REMOTE]
    assert builder.fingerprint_in_force(tmp_path / "state") is None
    built = build(tmp_path, wanted)
    assert builder.fingerprint_in_force(tmp_path / "state") == built.fingerprint
    assert builder.fingerprint(wanted, tmp_path / "blocklists", tmp_path / "state") == built.fingerprint


def test_a_damaged_table_is_made_of_nothing_known(tmp_path: Path) -> None:
    generation = build(tmp_path, sources(tmp_path, a="a.com\n")).generation
    assert generation is not None
    (tmp_path / "state/tables" / generation / "trie.marisa").write_bytes(b"")
    assert builder.fingerprint_in_force(tmp_path / "state") is None


def test_as_many_generations_are_kept_as_are_wanted(tmp_path: Path) -> None:
    for n in range(4):
        built = compile_lists(tmp_path, sources(tmp_path, a=f"n{n}.com\n"))
        builder.publish(tmp_path / "state", built, 0, keep=2)
    assert len(tables.generations(tmp_path / "state")) == 2


def test_a_pinned_table_stays(tmp_path: Path) -> None:
    for n in range(2):
        build(tmp_path, sources(tmp_path, a=f"n{n}.com\n"))
    tables.rollback(tmp_path / "state")
    with pytest.raises(TableError, match="accept --table"):
        build(tmp_path, sources(tmp_path, a="new.com\n"))


def test_what_was_read_before_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take(tmp_path / "state", "r", "old.com\n")
    local = sources(tmp_path, a="a.com\n")
    other = source("domains", id="o", url="https://lists.example/o", min_entries=1)
    new = {name: staged(tmp_path / "state", f"new-{name}.com\n", name) for name in "ro"}
    first = compile_lists(tmp_path, [REMOTE, other, *local], **new)
    taken = []
    monkeypatch.setattr(
        lists.Shelf,
        "take",
        lambda shelf, copy, take=lists.Shelf.take: taken.append(copy.source.id) or take(shelf, copy),
    )
    second = builder.compile_lists(
        [REMOTE, other, *local], tmp_path / "blocklists", tmp_path / "state", {"o": new["o"]}, {}, first
    )
    assert taken == ["r", "a"]  # one is another copy now, people may have edited the other
    table = builder.table_of(second)
    blocked = ("old.com", "new-o.com", "a.com")
    assert all(table.mask(names.key_of_text(name)) for name in blocked)
    assert table.names == 3
    assert [each.id for each in second.compiled.sources] == [each.id for each in first.compiled.sources]
    assert second.fingerprint != first.fingerprint
