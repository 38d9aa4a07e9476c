"""A power cut at any step of what writes lists and tables, and a disk that is full at any step.

Afterwards CURRENT names a sound generation, old or new; every copy is whole, old or new; nothing half-written is ever
read; and the next run sweeps what is left and does the work. A kill stands for the power cut: what the kernel had not
yet been told of is lost. What it was told and had not yet written is not, so bytes are synced before their names are:
the last test looks at that order.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from filterd.core import names
from filterd.errors import TableError
from filterd.store import build, lists, status, tables
from tests.core.compiled import compiled
from tests.core.rules.reading import source
from tests.stepping import FAILED, Step, Stepper, can_trace
from tests.store import copies

EXPECTED = (OSError, TableError)
SOURCE = source("domains", id="x", url="https://lists.example/x", min_entries=1)
OLD, NEW, WAITING = "old.com\n", "new.com\nnewer.com\n", "waiting.com\n"
NOW = 1_700_000_000
NEEDS_SPACE = {"openat", "write", "fsync", "mkdir", "link", "linkat", "rename"}


# -- the work; each runs in a process of its own ----------------------------------------------------------------------


def take(state: Path) -> None:
    lists.take(state, "x", state / "lists/.staging/new", copies.meta_of(NEW))


def take_first(state: Path) -> None:
    lists.take(state, "first", state / "lists/.staging/new", copies.meta_of(NEW))


def hold(state: Path) -> None:
    lists.hold(state, "x", state / "lists/.staging/new", copies.meta_of(NEW), copies.Why.SHRUNK, "", NOW)


def accept(state: Path) -> None:
    lists.accept(state, "x", NOW)


def drop(state: Path) -> None:
    lists.drop_held(state, "x")


def notes(state: Path) -> None:
    lists.freeze(state, "x", "", NOW)
    lists.remember(state, "x", lists.Memory(failures=1))
    status.write(state, {"outcome": "taken"})


def publish(state: Path) -> None:
    tables.publish(state, compiled(("domains", "games", "new.com\n")), NOW, 2)


def adopt(state: Path) -> None:
    tables.adopt(state, next((state / "district/tables").glob("0*")), NOW, 2)


def roll_back(state: Path) -> None:
    tables.rollback(state, now=NOW)


def release(state: Path) -> None:
    tables.release(state)


def whole_night(state: Path) -> None:
    """What the update does with one new copy: compile it, publish the table, keep it, say so."""
    with lists.lock(state):
        built = build.compile_lists([SOURCE], state, state, {"x": state / "lists/.staging/new"})
        build.publish(state, built, NOW, 2)
        take(state)
        status.write(state, {"outcome": "taken"})


WORK = [take, take_first, hold, accept, drop, notes, publish, adopt, roll_back, release, whole_night]
EACH_WORK = pytest.mark.parametrize("work", [each.__name__ for each in WORK])


# -- before and after -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with an old copy, one that waits, a staged one, generations, and a table from a district."""
    state = tmp_path_factory.mktemp("before") / "state"
    copies.take(state, "x", OLD)
    copies.hold(state, "x", WAITING)
    (state / "lists/.staging").mkdir()
    (state / "lists/.staging/new").write_text(NEW)
    (state / "staged").unlink()
    status.write(state, {"outcome": "held"})
    for _ in range(4):
        tables.publish(state, compiled(("domains", "games", OLD)), NOW, 4)
    tables.publish(state / "district", compiled(("domains", "games", "new.com\n")), NOW)
    return state


@pytest.fixture(scope="module")
def stepper() -> Iterator[Stepper]:
    if not can_trace():
        pytest.skip("strace is not here, or may not trace")
    with Stepper(__name__) as found:
        yield found


def fresh(before: Path, tmp_path: Path, work: str) -> Path:
    state = tmp_path / "state"
    shutil.rmtree(state, ignore_errors=True)
    shutil.copytree(before, state)
    if work == "release":
        tables.rollback(state, now=NOW)
    return state


def thinned(work: str, steps: list[Step]) -> list[Step]:
    """All steps; of the whole night, whose parts have tests of their own, some."""
    return steps[::4] if work == "whole_night" else steps


def check_tables(state: Path) -> None:
    now = tables.current(state)
    assert now is not None
    assert tables.pointed(state) == now
    table = tables.open_table(tables.verify(state, now))
    assert table.mask(names.key_of_text("old.com")) | table.mask(names.key_of_text("new.com"))
    for generation in tables.generations(state):
        tables.verify(state, generation)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_lists(state: Path) -> None:
    folder = state / "lists/x"
    assert (folder / "copy").read_text() in (OLD, NEW, WAITING)
    meta = lists.good(state, "x")
    assert meta is None or meta.sha256 == sha256(folder / "copy")
    waiting = lists.held(state, "x")
    assert waiting is None or waiting.meta.sha256 == sha256(folder / "held")
    first = state / "lists/first/copy"
    assert not first.exists() or first.read_text() == NEW
    assert status.read(state)["outcome"] in ("held", "taken")
    assert lists.recall(state, "x").failures in (0, 1)


def check_swept(state: Path, work: str) -> None:
    """The next run finds nothing in its way, does the work, and leaves nothing half-written behind."""
    with contextlib.suppress(TableError):
        tables.release(state)
    with lists.staging(state) as folder:
        (folder / "new").write_text(NEW)
        if work == "accept":
            copies.hold(state, "x", WAITING)
        globals()[work](state)
        check_tables(state)
        check_lists(state)
    tables.release(state)
    publish(state)
    status.write(state, {"outcome": "taken"})
    left = {path.name for path in state.rglob("*") if path.name.startswith(".")}
    assert left <= {".lock"}


@EACH_WORK
def test_a_power_cut_at_any_step_leaves_the_old_or_the_new(
    stepper: Stepper, before: Path, tmp_path: Path, work: str
) -> None:
    steps = stepper.steps(work, fresh(before, tmp_path, work), tmp_path / "log")
    assert len(steps) > 1
    for step in thinned(work, steps):
        state = fresh(before, tmp_path, work)
        stepper.kill(work, state, step)
        check_tables(state)
        check_lists(state)
        check_swept(state, work)


@EACH_WORK
@pytest.mark.parametrize("onwards", [False, True], ids=["once", "from then on"])
def test_a_disk_that_is_full_at_any_step_leaves_the_old_or_the_new(
    stepper: Stepper, before: Path, tmp_path: Path, work: str, onwards: bool
) -> None:
    steps = stepper.steps(work, fresh(before, tmp_path, work), tmp_path / "log")
    for step in thinned(work, steps):
        if step.call not in (("write", "fsync") if onwards else NEEDS_SPACE):
            continue
        state = fresh(before, tmp_path, work)
        code = stepper.fail(work, state, step, onwards=onwards)
        pruning = step.call == "rename" and work != "roll_back" and tables.current(state) != tables.current(before)
        assert code == (0 if pruning else FAILED), step
        check_tables(state)
        check_lists(state)
        left = [path for path in state.rglob(".*") if path.name.endswith(".tmp") or path.name.startswith(".new-")]
        assert not left, step
        check_swept(state, work)


# -- what a disk may do to files that were written well ---------------------------------------------------------------


def harmed(data: bytes, rng: random.Random) -> bytes:
    """Cut to any length, or with one bit the other way round."""
    if rng.random() < 0.5:
        return data[: rng.randrange(len(data))]
    at = rng.randrange(len(data))
    return data[:at] + bytes((data[at] ^ 1 << rng.randrange(8),)) + data[at + 1 :]


def test_a_table_with_any_damage_is_never_mapped(tmp_path: Path) -> None:
    rng = random.Random(13)
    lists_of_it = ("domains", "games", "".join(f"n{n}.com\n" for n in range(300))), ("cidr", "ads", "192.0.2.0/24")
    generation = tables.publish(tmp_path, compiled(*lists_of_it), NOW)
    folder = tables.verify(tmp_path, generation)
    for name in ("trie.marisa", "sets.bin", "networks.bin", "meta.json"):
        whole = (folder / name).read_bytes()
        for _ in range(250):
            (folder / name).write_bytes(harmed(whole, rng))
            with pytest.raises(TableError):
                tables.verify(tmp_path, generation)
        (folder / name).write_bytes(whole)
    tables.verify(tmp_path, generation)


NOTES = ("lists/x/copy", "lists/x/meta.json", "lists/x/held", "lists/x/held.json", "lists/x/memory.json")
POINTERS = ("CURRENT", "tables/.pinned", "status.json")


def test_files_cut_short_by_a_power_cut_are_as_good_as_none(before: Path, tmp_path: Path) -> None:
    """Of a file system that keeps names and loses bytes; 200 rounds, several files each."""
    rng = random.Random(14)
    state = fresh(before, tmp_path, "release")
    lists.remember(state, "x", lists.Memory(failures=1))
    pin = tables.pinned(state)
    assert pin is not None
    whole = {name: ((state / name).read_bytes(), (state / name).stat()) for name in NOTES + POINTERS}
    for _ in range(200):
        for name in rng.sample(sorted(whole), 3):
            data, times = whole[name]
            (state / name).write_bytes(data[: rng.randrange(len(data))])
            os.utime(state / name, ns=(times.st_atime_ns, times.st_mtime_ns))
        now = tables.current(state)
        assert now is not None
        tables.verify(state, now)
        for known, file in ((lists.good(state, "x"), "copy"), (getattr(lists.held(state, "x"), "meta", None), "held")):
            assert known is None or known.sha256 == sha256(state / "lists/x" / file)
        assert tables.pinned(state) in (None, pin)
        assert status.read(state).get("outcome") in (None, "held")
        assert lists.recall(state, "x") in (lists.Memory(), lists.Memory(failures=1))
        for name, (data, times) in whole.items():
            (state / name).write_bytes(data)
            os.utime(state / name, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_bytes_are_on_disk_before_the_name_that_vouches_for_them(
    stepper: Stepper, before: Path, tmp_path: Path
) -> None:
    """Every file is synced between its last write and the rename that shows it, every folder after it."""
    for work in ("take_first", "hold", "notes", "publish", "adopt", "roll_back"):
        steps = [step.call for step in stepper.steps(work, fresh(before, tmp_path, work), tmp_path / "log")]
        calls = [call for call in steps if call in ("write", "link", "fsync", "rename")]
        for at, call in enumerate(calls):
            if call == "rename" and at and calls[at - 1] != "rename":
                assert calls[at - 1] == "fsync", f"{work}: {calls[: at + 1]}"
        assert calls[-1] in ("fsync", "rename")
        assert "fsync" in calls[calls.index("rename") :], work
