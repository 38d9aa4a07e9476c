"""Commands carried out on real files: what is refused leaves no trace, what is done is in the file and in the log."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from filterd.core.commands import Clear, Close, Command, Extend, Open, Role, SetProfile
from filterd.core.policy import Rules
from filterd.errors import Refused
from filterd.live.commands import carry_out, entry_of, old_answers_s
from filterd.live.published import Published, open_readonly
from filterd.store import audit, overrides
from tests.running import write_school
from tests.schools import NOW

UNTIL = int(NOW) + 600
WHO = {"places": ("3a",), "by": "lan", "role": Role.HEAD, "reason": "Kiểm tra"}
EXAM = SetProfile(profile="exam", until=UNTIL, **WHO)


@pytest.fixture
def published(tmp_path: Path) -> Published:
    (tmp_path / "school").mkdir()
    config, state = write_school(tmp_path / "school", names="sau.example\n")
    text = (config / "policies/floor.yaml").read_text()
    (config / "policies/floor.yaml").write_text(text.replace("[malware]", "[malware, adult]"))
    return open_readonly(config, state)


def opening(*names: str, services: tuple[str, ...] = ()) -> Open:
    return Open(rules=Rules(services=services, names=names), until=UNTIL, **WHO)


def test_what_is_done_is_in_the_file_and_in_the_log(published: Published) -> None:
    applied = carry_out(published, EXAM, NOW, True, "box")
    state = overrides.load(published.state_dir)
    assert state.items == applied.state.items == applied.added
    (line,) = audit.read(audit.folder(published.state_dir))
    assert line.sequence == state.sequence
    assert line.entry == {
        "kind": "override", "what": "set", "from": "box", "places": ["3a"], "by": "lan", "role": "head",
        "reason": "Kiểm tra", "profile": "exam", "until": UNTIL,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("command", "rule"),
    [
        (dataclasses.replace(EXAM, profile="exm"), "unknown"),
        (dataclasses.replace(EXAM, until=int(NOW)), "past"),
        (opening("adult.example"), "floor"),
        (opening("a.vn", "www.sau.example"), "floor"),
        (opening("=sau.example"), "floor"),
        (opening("tro-choi.example"), "school-block"),
        (Clear(**WHO), "nothing"),
    ],
)
def test_what_is_refused_leaves_no_trace(published: Published, command: Command, rule: str) -> None:
    with pytest.raises(Refused) as caught:
        carry_out(published, command, NOW, True, "box")
    assert caught.value.rule == rule
    assert not overrides.path(published.state_dir).exists()
    assert list(audit.read(audit.folder(published.state_dir))) == []


def test_nothing_is_set_by_a_clock_that_cannot_be_right(published: Published) -> None:
    with pytest.raises(Refused, match="does not know the time") as caught:
        carry_out(published, EXAM, 1000.0, False, "box")
    assert caught.value.rule == "clock"


def test_the_log_keeps_what_was_opened(published: Published) -> None:
    entry = entry_of(opening("a.vn", services=("youtube",)), "192.0.2.1")
    assert (entry["what"], entry["from"], entry["rules"]["names"]) == ("open", "192.0.2.1", ("a.vn",))
    assert entry["rules"]["services"] == ("youtube",)


@pytest.mark.parametrize(
    ("command", "seconds"),
    [
        (EXAM, 60),
        (dataclasses.replace(EXAM, profile="video"), 10),
        (opening("a.vn"), 10),
        (Close(rules=Rules(names=("a.vn",)), until=UNTIL, **WHO), 60),
        (Clear(**WHO), 60),
        (Extend(until=UNTIL, **WHO), 0),
        (dataclasses.replace(EXAM, places=("3a", "staff-room")), 300),
    ],
    ids=["an exam", "a profile", "open", "close", "clear", "extend", "staff"],
)
def test_how_long_a_device_may_go_on_with_old_answers(published: Published, command: Command, seconds: int) -> None:
    assert old_answers_s(published, command) == seconds
