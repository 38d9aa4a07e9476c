"""Accounts on disk, log-ins, and what the audit log says of both after a power cut or a full disk."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from filterd.core import accounts as core
from filterd.core.accounts import Accounts, Record, Token
from filterd.core.attempts import Attempts
from filterd.core.commands import Role
from filterd.errors import Refused
from filterd.store import accounts, audit, passwords
from tests.stepping import FAILED, Step, Stepper, can_trace

NOW = 1_795_500_000
OWN, ONE_TIME = "ba con mèo đen", "abcd-efgh-jkmn-pqrs"
HASHES = {word: passwords.hashed(word) for word in (OWN, ONE_TIME)}
HOME = "10.20.71.7"
EXPECTED = (OSError, Refused)


def record(ident: str = "an", **changes: object) -> Record:
    given = {"id": ident, "name": "Nguyễn Thị An", "role": Role.TEACHER, "classes": ("7-1",), "password": HASHES[OWN]}
    return Record(**given | changes)  # type: ignore[arg-type]


def add(state: Path, new: Record | None = None) -> Accounts:
    new = new or record()
    return accounts.update(state, lambda old: core.add(old, new), [{"what": "add", "account": new.id}], NOW)


def log_in(state: Path, password: str, ident: str = "an", now: int = NOW) -> object:
    return accounts.log_in(state, ident, password, HOME, Attempts(), now, 0.0)


def entries(state: Path) -> list[dict[str, object]]:
    return [dict(line.entry) for line in audit.read(audit.folder(state))]


def rule(state: Path, password: str, ident: str = "an", now: int = NOW) -> str:
    with pytest.raises(Refused) as caught:
        log_in(state, password, ident, now)
    return caught.value.rule


def test_a_new_box_has_no_account_and_no_default_password(tmp_path: Path) -> None:
    assert accounts.load(tmp_path) == Accounts()
    for ident in ("", "admin", "root", "filterd"):
        for password in ("", "admin", "filterd", "password"):
            assert rule(tmp_path, password, ident) == "login"


def test_only_the_owner_reads_the_hashes(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        add(tmp_path)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(accounts.path(tmp_path).stat().st_mode) == 0o600
    assert stat.S_IMODE(accounts.path(tmp_path).parent.stat().st_mode) == 0o750
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or not stat.S_IMODE(file.stat().st_mode) & 0o007


def test_a_change_is_in_the_log_and_the_file_says_which_line(tmp_path: Path) -> None:
    after = add(tmp_path)
    assert accounts.load(tmp_path) == after
    head = audit.head(audit.folder(tmp_path))
    assert (after.sequence, after.chain) == (head.sequence, head.hash)
    assert entries(tmp_path) == [{"kind": "account", "what": "add", "account": "an"}]


def test_what_is_refused_writes_nothing(tmp_path: Path) -> None:
    before = add(tmp_path)
    with pytest.raises(Refused):
        add(tmp_path)
    assert accounts.load(tmp_path) == before
    assert len(entries(tmp_path)) == 1


def test_nothing_secret_reaches_the_audit_log(tmp_path: Path) -> None:
    add(tmp_path)
    log_in(tmp_path, OWN)
    rule(tmp_path, "wrong guess")
    rule(tmp_path, "x", ident="typed-my-passw0rd")
    accounts.choose_password(tmp_path, "an", OWN, "mưa trên mái tôn", HOME, Attempts(), NOW, 0.0)
    text = audit.path(audit.folder(tmp_path)).read_text(encoding="utf-8")
    for secret in (OWN, "wrong guess", "typed-my-passw0rd", "mưa", "argon2", *HASHES.values()):
        assert secret not in text


def test_every_log_in_is_in_the_log(tmp_path: Path) -> None:
    add(tmp_path)
    assert log_in(tmp_path, OWN).id == "an"  # type: ignore[attr-defined]
    assert rule(tmp_path, "wrong") == "login"
    assert rule(tmp_path, OWN, ident="nobody") == "login"
    assert entries(tmp_path)[1:] == [
        {"kind": "log-in", "account": "an", "from": HOME},
        {"kind": "log-in-failed", "account": "an", "from": HOME},
        {"kind": "log-in-failed", "account": "", "from": HOME},
    ]


def test_nobody_hears_whether_the_account_or_the_password_was_wrong(tmp_path: Path) -> None:
    add(tmp_path)
    add(tmp_path, record("gone"))
    accounts.update(tmp_path, lambda old: core.revoke(old, "gone", NOW), [{"what": "revoke"}], NOW)
    add(tmp_path, record("reader", role=Role.DISTRICT, classes=(), password=""))
    said = set()
    for ident, password in (("an", "wrong"), ("nobody", OWN), ("gone", OWN), ("reader", ""), ("a" * 10_000, OWN)):
        with pytest.raises(Refused) as caught:
            log_in(tmp_path, password, ident)
        said.add((caught.value.rule, str(caught.value)))
    assert len(said) == 1


def test_too_many_attempts_are_refused_before_anything_is_looked_at(tmp_path: Path) -> None:
    add(tmp_path)
    attempts = Attempts()
    said = []
    for _ in range(8):
        with pytest.raises(Refused) as caught:
            accounts.log_in(tmp_path, "an", "wrong", HOME, attempts, NOW, 0.0)
        said.append(caught.value.rule)
    assert said == ["login"] * 5 + ["attempts"] * 3
    assert len(entries(tmp_path)) == 1 + 5  # a flood fills no disk
    with pytest.raises(Refused, match="try again in 13 s"):
        accounts.log_in(tmp_path, "an", OWN, HOME, attempts, NOW, 0.0)
    assert accounts.log_in(tmp_path, "an", OWN, HOME, attempts, NOW, 15.0).id == "an"


def test_a_one_time_password_comes_in_once_it_is_changed(tmp_path: Path) -> None:
    add(tmp_path, record(password=HASHES[ONE_TIME], one_time_until=NOW + 100))
    assert log_in(tmp_path, ONE_TIME).must_change  # type: ignore[attr-defined]
    accounts.choose_password(tmp_path, "an", ONE_TIME, OWN, HOME, Attempts(), NOW, 0.0)
    assert not log_in(tmp_path, OWN).must_change  # type: ignore[attr-defined]
    assert rule(tmp_path, ONE_TIME) == "login"


def test_a_one_time_password_that_nobody_used_ends(tmp_path: Path) -> None:
    add(tmp_path, record(password=HASHES[ONE_TIME], one_time_until=NOW + 100))
    assert rule(tmp_path, ONE_TIME, now=NOW + 100) == "login"
    with pytest.raises(Refused, match="old password"):
        accounts.choose_password(tmp_path, "an", ONE_TIME, OWN, HOME, Attempts(), NOW + 100, 0.0)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [("wrong", "mưa trên mái tôn", "login"), (OWN, OWN, "weak"), (OWN, "short", "weak"), (OWN, "an an an an", "weak")],
    ids=["the old one is wrong", "the same again", "short", "easy to guess"],
)
def test_a_password_that_may_not_be_chosen(tmp_path: Path, old: str, new: str, said: str) -> None:
    before = add(tmp_path, record(name="An"))
    with pytest.raises(Refused) as caught:
        accounts.choose_password(tmp_path, "an", old, new, HOME, Attempts(), NOW, 0.0)
    assert caught.value.rule == said
    assert accounts.load(tmp_path) == before


def test_the_old_password_is_not_guessed_either(tmp_path: Path) -> None:
    add(tmp_path)
    attempts, said = Attempts(), []
    for _ in range(8):
        with pytest.raises(Refused) as caught:
            accounts.choose_password(tmp_path, "an", "wrong", "mưa trên mái tôn", HOME, attempts, NOW, 0.0)
        said.append(caught.value.rule)
    assert said == ["login"] * 5 + ["attempts"] * 3
    assert [entry["kind"] for entry in entries(tmp_path)[1:]] == ["log-in-failed"] * 5


@pytest.mark.parametrize("ident", ["An", " an ", "AN"])
def test_how_an_id_is_typed_on_a_telephone_does_not_matter(tmp_path: Path, ident: str) -> None:
    add(tmp_path)
    assert log_in(tmp_path, OWN, ident).id == "an"  # type: ignore[attr-defined]


def test_nobody_comes_in_without_a_line_in_the_log(tmp_path: Path) -> None:
    add(tmp_path)
    log = audit.path(audit.folder(tmp_path))
    log.unlink()
    log.mkdir()
    with pytest.raises((OSError, ValueError)):
        log_in(tmp_path, OWN)


def test_a_token_is_stored_as_its_hash(tmp_path: Path) -> None:
    add(tmp_path)
    text = passwords.new_token()
    made = Token("t1", core.token_hash(text), NOW, NOW + 100)
    accounts.update(tmp_path, lambda old: core.add_token(old, "an", made, NOW), [{"what": "token"}], NOW)
    assert text.removeprefix("filterd-") not in accounts.path(tmp_path).read_text()
    found = accounts.load(tmp_path).by_token(text, NOW)
    assert found is not None
    assert found.id == "an"


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b"null", b'{"format": 9}', bytes(4096)],
    ids=["empty", "half", "binary", "deep", "a list", "null", "another format", "zeros"],
)  # fmt: skip
def test_a_damaged_file_lets_nobody_in_and_is_not_written_over(tmp_path: Path, data: bytes) -> None:
    add(tmp_path)
    accounts.path(tmp_path).write_bytes(data)
    with pytest.raises(ValueError, match=r"accounts\.json"):
        log_in(tmp_path, OWN)
    with pytest.raises(ValueError, match=r"accounts\.json"):
        add(tmp_path, record("binh"))
    assert accounts.path(tmp_path).read_bytes() == data


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    add(tmp_path)
    other = tmp_path / "other"
    accounts.path(tmp_path).rename(other)
    accounts.path(tmp_path).symlink_to(other)
    with pytest.raises(OSError, match="symbolic"):
        accounts.load(tmp_path)


WRITER = """
import pathlib, sys
from filterd.core import accounts as core
from filterd.core.commands import Role
from filterd.store import accounts
for number in range(15):
    new = core.Record(f"{sys.argv[2]}-{number}", "x", Role.TEACHER)
    entry = {"what": "add", "account": new.id}
    accounts.update(pathlib.Path(sys.argv[1]), lambda old: core.add(old, new), [entry], 1)
"""


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    started = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name]) for name in ("a", "b", "c")]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert len(accounts.load(tmp_path).items) == 45
    assert sorted(str(entry["account"]) for entry in entries(tmp_path)) == sorted(
        each.id for each in accounts.load(tmp_path).items
    )
    assert audit.verify(audit.folder(tmp_path)).sound


def test_the_next_writer_says_which_lines_never_came_into_force(tmp_path: Path) -> None:
    add(tmp_path)
    for ident in ("binh", "chi"):
        audit.append(audit.folder(tmp_path), {"kind": accounts.KIND, "what": "add", "account": ident}, NOW)
    audit.append(audit.folder(tmp_path), {"kind": accounts.LOG_IN, "account": "an"}, NOW)
    add(tmp_path, record("dung"))
    assert entries(tmp_path)[4:] == [
        {"kind": "account-undone", "first": 2, "last": 3},
        {"kind": "account", "what": "add", "account": "dung"},
    ]


# -- a power cut and a full disk at every step ------------------------------------------------------------------------


def change(root: Path) -> None:
    """Two accounts at once, as an import makes them."""
    new = [Record("binh", "Bình", Role.TEACHER), Record("chi", "Chi", Role.TEACHER)]
    accounts.update(
        root,
        lambda old: core.add(core.add(old, new[0]), new[1]),
        [{"what": "add", "account": each.id} for each in new],
        NOW,
    )


@pytest.fixture(scope="module")
def stepper() -> Iterator[Stepper]:
    if not can_trace():
        pytest.skip("strace is not here, or may not trace")
    with Stepper(__name__) as made:
        yield made


def fresh(root: Path) -> Path:
    shutil.rmtree(root / "state", ignore_errors=True)
    (root / "state").mkdir()
    add(root / "state")
    return root / "state"


def steps_of(stepper: Stepper, root: Path) -> list[Step]:
    return stepper.steps("change", fresh(root), root / "log")


def agrees_with_the_log(state: Path) -> bool:
    """The old accounts or the new, and after `settle` the log says which; gives whether they are the new."""
    found = {each.id for each in accounts.load(state).items}
    assert found in ({"an"}, {"an", "binh", "chi"})
    accounts.settle(state, NOW)
    said: list[str] = []
    lines = {line.sequence: line.entry for line in audit.read(audit.folder(state))}
    undone = {
        number
        for entry in lines.values()
        if entry["kind"] == accounts.UNDONE
        for number in range(entry["first"], entry["last"] + 1)
    }
    for number, entry in lines.items():
        if entry["kind"] == accounts.KIND and number not in undone:
            said.append(entry["account"])
    assert sorted(said) == sorted(found)
    assert audit.verify(audit.folder(state)).sound
    count = len(lines)
    accounts.settle(state, NOW)
    assert len(entries(state)) == count  # said once
    return len(found) == 3


def test_killed_at_any_step_accounts_are_old_or_new_and_the_log_says_which(stepper: Stepper, tmp_path: Path) -> None:
    outcomes = set()
    for step in steps_of(stepper, tmp_path):
        state = fresh(tmp_path)
        stepper.kill("change", state, step)
        new = agrees_with_the_log(state)
        outcomes.add(new)
        if not new:
            change(state)
            assert not list(accounts.path(state).parent.glob(".accounts.json.*"))
        assert len(accounts.load(state).items) == 3
    assert outcomes == {True, False}


@pytest.mark.parametrize("onwards", [False, True], ids=["once", "from there on"])
def test_a_full_disk_at_any_step_leaves_old_or_new(stepper: Stepper, tmp_path: Path, onwards: bool) -> None:
    for step in steps_of(stepper, tmp_path):
        state = fresh(tmp_path)
        code = stepper.fail("change", state, step, onwards=onwards)
        assert code in (0, FAILED)
        new = agrees_with_the_log(state)
        assert new or code == FAILED
        if not new:
            change(state)
        assert len(accounts.load(state).items) == 3


def test_what_a_killed_writer_left_beside_is_swept(tmp_path: Path) -> None:
    add(tmp_path)
    left = accounts.path(tmp_path).with_name(".accounts.json.abc.tmp")
    left.write_text(json.dumps({"password": "hash"}))
    add(tmp_path, record("binh"))
    assert not left.exists()
