"""overrides.json: what is written is read, anything else is a ValueError that says what is wrong; and changes of it,
by many at once, on a full disk, and killed at any step.
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filterd.core.overrides import Override, Overrides
from filterd.core.policy import Rules
from filterd.errors import Refused
from filterd.store import audit, overrides
from tests import schools
from tests.stepping import FAILED, Step, Stepper, can_trace

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
    overrides.path(state).parent.mkdir(exist_ok=True)
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


def test_nobody_waits_for_a_pipe_and_no_link_is_followed(tmp_path: Path) -> None:
    overrides.path(tmp_path).parent.mkdir()
    os.mkfifo(overrides.path(tmp_path))
    with pytest.raises(ValueError, match="not a regular file"):
        overrides.load(tmp_path)
    overrides.path(tmp_path).unlink()
    overrides.path(tmp_path).symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic links"):
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


# -- changes ----------------------------------------------------------------------------------------------------------

NOW = 1_800_000_000
BEFORE = Override("3a", NOW + 900, NOW, "exam", by="lan")
AFTER = Override("7-3", NOW + 600, NOW, "free", by="minh")
EXPECTED = (OSError,)


def adding(*items: Override):
    return lambda state: dataclasses.replace(state, items=(*state.items, *items))


def lines(state: Path) -> list[tuple[int, str]]:
    return [(line.sequence, str(line.entry["kind"])) for line in audit.read(audit.folder(state))]


def toggle(state: Path) -> None:
    overrides.update(state, adding(AFTER), {"what": "set", "place": "7-3"}, NOW)


def test_a_change_is_a_line_of_the_audit_log_and_then_the_file(tmp_path: Path) -> None:
    after = overrides.update(tmp_path, adding(BEFORE), {"what": "set", "by": "lan"}, NOW + 0.5)
    head = audit.head(audit.folder(tmp_path))
    assert overrides.load(tmp_path) == after == Overrides((BEFORE,), head.sequence, head.hash)
    (line,) = audit.read(audit.folder(tmp_path))
    assert line.entry == {"kind": "override", "what": "set", "by": "lan"}
    assert line.time == NOW
    assert {path.name for path in audit.folder(tmp_path).iterdir()} == {
        "overrides.json", "audit.jsonl", ".lock", ".audit.lock",
    }  # fmt: skip
    assert overrides.path(tmp_path).stat().st_mode & 0o777 == 0o640
    assert audit.folder(tmp_path).stat().st_mode & 0o777 == 0o750


def test_a_change_that_changes_nothing_writes_nothing(tmp_path: Path) -> None:
    toggle(tmp_path)
    before = overrides.path(tmp_path).stat()
    overrides.update(tmp_path, lambda state: state, {}, NOW)
    assert overrides.path(tmp_path).stat() == before
    assert len(lines(tmp_path)) == 1


def test_a_change_that_is_refused_leaves_everything(tmp_path: Path) -> None:
    toggle(tmp_path)

    def refuse(_: Overrides) -> Overrides:
        raise Refused("rank", "no")

    before = overrides.load(tmp_path)
    with pytest.raises(Refused, match="no"):
        overrides.update(tmp_path, refuse, {}, NOW)
    assert overrides.load(tmp_path) == before
    assert len(lines(tmp_path)) == 1


def test_too_much_for_the_file_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    toggle(tmp_path)
    many = [dataclasses.replace(AFTER, reason="x" * 1000)] * 4500
    with pytest.raises(Refused, match="too many overrides at once"):
        overrides.update(tmp_path, adding(*many), {}, NOW)
    assert overrides.load(tmp_path).items == (AFTER,)
    assert len(lines(tmp_path)) == 1


def test_a_file_in_the_old_place_is_read_and_moved_by_the_first_change(tmp_path: Path) -> None:
    overrides.old_path(tmp_path).write_text(json.dumps(GOOD))
    stamp = overrides.stamp(tmp_path)
    assert overrides.load(tmp_path).sequence == 4
    toggle(tmp_path)
    assert not overrides.old_path(tmp_path).exists()
    assert [o.place for o in overrides.load(tmp_path).items] == ["3a", "7-3", "7-3"]
    assert overrides.load(tmp_path).sequence == 1
    assert overrides.stamp(tmp_path) != stamp
    assert lines(tmp_path) == [(1, "override")]


def test_other_lines_of_the_log_are_nobodys_lost_change(tmp_path: Path) -> None:
    toggle(tmp_path)
    audit.append(audit.folder(tmp_path), {"kind": "login", "by": "lan"}, NOW)
    assert overrides.reconcile(tmp_path, NOW) == []
    overrides.update(tmp_path, adding(BEFORE), {}, NOW)
    assert lines(tmp_path) == [(1, "override"), (2, "login"), (3, "override")]
    assert overrides.load(tmp_path).sequence == 3


def test_a_line_whose_change_never_came_is_said_to_be_undone_once(tmp_path: Path) -> None:
    toggle(tmp_path)
    audit.append(audit.folder(tmp_path), {"kind": "override", "what": "set"}, NOW)
    assert overrides.reconcile(tmp_path, NOW) == [2]
    assert overrides.reconcile(tmp_path, NOW) == []
    overrides.update(tmp_path, adding(BEFORE), {}, NOW)
    assert lines(tmp_path) == [(1, "override"), (2, "override"), (3, "override-undone"), (4, "override")]
    assert overrides.load(tmp_path).items == (AFTER, BEFORE)
    assert not audit.verify(audit.folder(tmp_path)).problems


def test_a_log_that_was_cut_is_said_in_the_log_once_and_changes_go_on(tmp_path: Path) -> None:
    for _ in range(3):
        toggle(tmp_path)
    log = audit.path(audit.folder(tmp_path))
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    chain = overrides.load(tmp_path).chain
    assert overrides.reconcile(tmp_path, NOW) == []
    assert overrides.reconcile(tmp_path, NOW) == []
    cut = list(audit.read(audit.folder(tmp_path)))[1]
    assert cut.entry == {"kind": "audit-cut", "known": 3, "hash": chain, "found": 1}
    toggle(tmp_path)
    assert lines(tmp_path)[1:] == [(2, "audit-cut"), (3, "override")]


def test_nothing_is_there_to_reconcile_before_the_first_change(tmp_path: Path) -> None:
    assert overrides.reconcile(tmp_path, NOW) == []
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_not_written_over(tmp_path: Path) -> None:
    write(tmp_path, b"{")
    with pytest.raises(ValueError, match=r"overrides\.json"):
        toggle(tmp_path)
    assert overrides.path(tmp_path).read_bytes() == b"{"
    assert lines(tmp_path) == []


def _toggles(state: str, number: int, count: int) -> None:
    """A writer's changes: a second more for one override that all share, and a new one for a class of its own."""
    for i in range(count):

        def change(found: Overrides, place: str = f"class-{number}", until: int = NOW + i + 1) -> Overrides:
            shared = next((o for o in found.items if o.place == "shared"), Override("shared", NOW))
            others = (o for o in found.items if o.place not in ("shared", place))
            return Overrides((*others, dataclasses.replace(shared, until=shared.until + 1), Override(place, until)))

        overrides.update(Path(state), change, {"by": number, "nth": i}, NOW)


def test_a_thousand_changes_by_twenty_at_once_are_all_there_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_toggles, args=(str(tmp_path), n, 50)) for n in range(20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(100)
    assert [writer.exitcode for writer in writers] == [0] * 20
    state = overrides.load(tmp_path)
    assert {o.place: o.until - NOW for o in state.items} == {"shared": 1000} | {f"class-{n}": 50 for n in range(20)}
    entries = [line.entry for line in audit.read(audit.folder(tmp_path))]
    assert {entry["kind"] for entry in entries} == {"override"}
    done = [(entry["by"], entry["nth"]) for entry in entries]
    assert sorted(done) == [(n, i) for n in range(20) for i in range(50)]
    report = audit.verify(audit.folder(tmp_path), audit.Head(state.sequence, state.chain))
    assert (state.sequence, list(report.problems)) == (1000, [])


# -- a power cut and a full disk at any step --------------------------------------------------------------------------

traced = pytest.mark.skipif(not can_trace(), reason="strace is not here or may not look at a child")


@pytest.fixture(scope="module")
def stepper():
    with Stepper(__name__) as found:
        yield found


def prepared(folder: Path) -> Path:
    folder.mkdir()
    overrides.update(folder, adding(BEFORE), {"what": "set", "place": "3a"}, NOW)
    return folder


@pytest.fixture(scope="module")
def steps(stepper: Stepper, tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    base = tmp_path_factory.mktemp("steps")
    found = stepper.steps("toggle", prepared(base / "state"), base / "log")
    assert len(found) > 6
    return found


def is_old_or_new(state: Path) -> None:
    """One of the two states; the next change makes it right, and log and file agree."""
    found = overrides.load(state)
    assert found.items in ((BEFORE,), (BEFORE, AFTER))
    head = audit.head(audit.folder(state))
    undone = overrides.reconcile(state, NOW)
    assert len(undone) == (found.items == (BEFORE,) and head.sequence > found.sequence)
    done = overrides.update(state, adding(Override("9b", NOW + 60)), {"what": "close"}, NOW)
    assert done.items[: len(found.items)] == found.items
    changes = [line.sequence for line in audit.read(audit.folder(state)) if line.entry["kind"] == "override"]
    assert len(changes) - len(undone) == len(done.items)
    assert not audit.verify(audit.folder(state), audit.Head(done.sequence, done.chain)).problems
    assert not list(audit.folder(state).glob(".*.tmp"))


@traced
def test_killed_at_any_step_the_old_or_the_new_overrides_are_in_force(
    stepper: Stepper, steps: list[Step], tmp_path: Path
) -> None:
    good = prepared(tmp_path / "good")
    for i, step in enumerate(steps):
        state = tmp_path / str(i)
        shutil.copytree(good, state)
        stepper.kill("toggle", state, step)
        is_old_or_new(state)


@traced
@pytest.mark.parametrize("onwards", [False, True], ids=["one step", "from there on"])
def test_on_a_full_disk_the_old_or_the_new_overrides_are_in_force(
    stepper: Stepper, steps: list[Step], tmp_path: Path, onwards: bool
) -> None:
    good = prepared(tmp_path / "good")
    for i, step in enumerate(steps):
        if step.call not in {"openat", "write", "fsync", "mkdir", "rename", "renameat", "renameat2"}:
            continue
        state = tmp_path / str(i)
        shutil.copytree(good, state)
        assert stepper.fail("toggle", state, step, onwards=onwards) in (0, FAILED), step
        is_old_or_new(state)
