from __future__ import annotations

import os
from pathlib import Path

import pytest

from filterd.core.firstseen import Register, entries_of
from filterd.store import firstseen as store

SECRET = bytes(range(16))
DAY = 20_700
ENTRIES = [(5, DAY), (1 << 47, 0), (77, DAY + 1)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = store.path(tmp_path)
    stored = store.create(path, Register(SECRET, DAY))
    for entry in ENTRIES:
        stored.register.roll(DAY + 1)
        store.append(path, stored, entries_of([entry]))
    return path


def entries(register: Register) -> bytes:
    return register.to_bytes()


def test_what_was_saved_comes_back(file: Path) -> None:
    stored = store.load(file)
    register = stored.register
    assert register.to_bytes() == entries_of(sorted(ENTRIES))
    assert (register.secret, register.started, register.last) == (SECRET, DAY, DAY + 1)
    assert (stored.end, stored.blocks, stored.damaged) == (file.stat().st_size, 4, False)
    assert store.secret_of(file) == SECRET


def test_a_day_without_news_is_remembered_too(file: Path) -> None:
    stored = store.load(file)
    stored.register.roll(DAY + 30)
    store.append(file, stored, b"")
    assert store.load(file).register.last == DAY + 30


def test_a_file_made_anew_holds_the_same_in_one_piece(file: Path) -> None:
    before = store.load(file).register
    after = store.create(file, before)
    again = store.load(file)
    assert (again.blocks, again.register.to_bytes(), again.register.last) == (1, before.to_bytes(), before.last)
    assert after.end == again.end


def test_an_entry_costs_eight_bytes_and_a_save_twelve(file: Path) -> None:
    stored = store.load(file)
    before = file.stat().st_size
    store.append(file, stored, entries_of([(n, DAY) for n in range(1000, 2000)]))
    assert file.stat().st_size - before == 8 * 1000 + 12


def test_no_cut_loses_more_than_the_blocks_it_hit(file: Path) -> None:
    whole = file.read_bytes()
    found = set()
    for size in range(len(whole)):
        file.write_bytes(whole[:size])
        try:
            stored = store.load(file)
        except ValueError:
            found.add(-1)
            continue
        assert stored.damaged is (stored.end != size)
        found.add(stored.register.size)
    assert found == {-1, 0, 1, 2}


def test_no_flipped_bit_is_believed(file: Path) -> None:
    whole = file.read_bytes()
    good = dict(ENTRIES)
    for at in range(len(whole)):
        file.write_bytes(whole[:at] + bytes((whole[at] ^ 0x10,)) + whole[at + 1 :])
        try:
            register = store.load(file).register
        except ValueError:
            continue
        assert register.size < 3
        assert all(register.day_of(value) in (None, day) for value, day in good.items())


def test_what_a_power_cut_left_is_written_over(file: Path) -> None:
    with file.open("ab") as f:
        f.write(b"\0\1\2 half a block")
    stored = store.load(file)
    assert stored.damaged
    store.append(file, stored, entries_of([(99, DAY)]))
    again = store.load(file)
    assert (again.damaged, again.register.size) == (False, 4)


def test_a_block_out_of_its_place_is_not_believed(file: Path) -> None:
    whole = file.read_bytes()
    last = whole[-20:]  # one entry: 8 bytes before it, 4 behind
    file.write_bytes(whole + last)
    stored = store.load(file)
    assert (stored.damaged, stored.register.size) == (True, 3)


@pytest.mark.parametrize(
    "data", [b"", b"x" * 10, bytes(36), bytes(4096), b"x" * 4096], ids=["empty", "short", "NULs", "many", "text"]
)
def test_another_file_is_refused(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    for read in (store.load, store.secret_of):
        with pytest.raises(ValueError, match=r"damaged|version"):
            read(file)


def test_neither_a_link_nor_a_pipe_nor_a_huge_file_is_read(file: Path) -> None:
    (file.parent / "link").symlink_to(file)
    with pytest.raises(OSError):
        store.load(file.parent / "link")
    os.mkfifo(file.parent / "pipe")
    with pytest.raises(ValueError):
        store.load(file.parent / "pipe")
    os.truncate(file, store.MAX_BYTES + 1)
    with pytest.raises(ValueError):
        store.load(file)


def test_a_failed_append_takes_the_same_place_next_time(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = store.load(file)
    real = os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda fd, data, at: real(fd, data[:5], at))
        with pytest.raises(OSError, match="only 5 of"):
            store.append(file, stored, entries_of([(99, DAY)]))
    assert store.load(file).register.size == 3
    store.append(file, stored, entries_of([(99, DAY)]))
    assert store.load(file).register.size == 4
