"""A power cut at any step of making or taking a bundle, and a disk that is full at any step.

Afterwards a reader of the folder gets a whole bundle, old or new, or one whose signature does not fit; a school has a
sound table, old or new; and doing it again works.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filterd.core import names
from filterd.errors import TableError, TrustError
from filterd.store import bundles, exports, keys, tables
from tests.stepping import FAILED, Step, Stepper, can_trace
from tests.store.district import NOW, District, nothing_wrong

pytestmark = pytest.mark.skipif(not can_trace(), reason="strace is not here, or may not trace")

EXPECTED = (OSError, TableError, TrustError)


# -- the work; each runs in a process of its own ----------------------------------------------------------------------


def export(root: Path) -> None:
    exports.export(root / "state", root / "www", keys.load_private(root / "safe/district.key"), "x", (), {}, NOW)


def take(root: Path) -> None:
    staging = root / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    offer = look(root)
    bundles.take(root / "school", root / "www", offer, staging, 3, NOW, nothing_wrong)


def look(root: Path) -> bundles.Offer:
    return bundles.look(root / "www", bundles.gate(root / "config", root / "school", NOW, True))


# -- what must hold afterwards ----------------------------------------------------------------------------------------


def folder_is_whole_or_refused(root: Path) -> None:
    try:
        offer = look(root)
    except TrustError as error:
        assert "is not signed by a key trusted here" in str(error)
        return
    for name, file in offer.index.files.items():
        data = (root / "www" / offer.index.folder / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file.sha256


def school_is_sound(root: Path) -> None:
    generation = tables.current(root / "school")
    assert generation is not None
    table = tables.open_table(tables.verify(root / "school", generation))
    listed = [table.mask(names.key_of_text(name)) != 0 for name in ("old.com", "new.com")]
    assert listed.count(True) == 1
    bundles.recorded(root / "school")


WORK: list[tuple[Callable[[Path], None], Callable[[Path], None]]] = [
    (export, folder_is_whole_or_refused),
    (take, school_is_sound),
]
EACH = pytest.mark.parametrize(("work", "holds"), WORK, ids=lambda each: each.__name__)


@pytest.fixture(scope="module")
def stepper() -> Iterator[Stepper]:
    with Stepper(__name__) as made:
        yield made


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A bundle with old.com that the school took, and one with new.com: to be made, or made and to be taken."""
    (tmp_path / "before").mkdir()
    district = District(tmp_path / "before")
    district.compile("old.com")
    district.export(NOW - 60)
    district.bring(NOW - 60)
    district.compile("new.com")
    return district.root


def prepared(before: Path, work: Callable[[Path], None]) -> Path:
    if work is take:
        export(before)
    return before


def tries(before: Path, steps: list[Step]) -> Iterator[tuple[Path, Step]]:
    """For each step a fresh copy of what was before."""
    root = before.with_name("now")
    for step in steps:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(before, root, symlinks=True)
        yield root, step


def steps_of(stepper: Stepper, before: Path, work: Callable[[Path], None]) -> list[Step]:
    root = before.with_name("counted")
    shutil.copytree(before, root, symlinks=True)
    return stepper.steps(work.__name__, root, before.with_name("log"))


@EACH
def test_a_power_cut_at_any_step_leaves_old_or_new(stepper: Stepper, before: Path, work, holds) -> None:  # type: ignore[no-untyped-def]
    steps = steps_of(stepper, prepared(before, work), work)
    assert len(steps) > 20
    for root, step in tries(before, steps):
        stepper.kill(work.__name__, root, step)
        holds(root)
        work(root)
        holds(root)
        look(root)


@EACH
def test_a_full_disk_at_any_step_leaves_old_or_new(stepper: Stepper, before: Path, work, holds) -> None:  # type: ignore[no-untyped-def]
    steps = [
        step
        for step in steps_of(stepper, prepared(before, work), work)
        if step.call in ("openat", "write", "fsync", "rename", "mkdir")
    ]
    for root, step in tries(before, steps):
        assert stepper.fail(work.__name__, root, step) in (0, FAILED), step
        holds(root)
        work(root)
        holds(root)
        look(root)
