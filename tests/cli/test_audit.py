"""`filterd audit`: what the head teacher sees, and what is said of a log that was altered or cut."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from filterd.cli.main import main
from filterd.core.accounts import Accounts
from filterd.core.audit import START
from filterd.core.overrides import Override, Overrides
from filterd.store import accounts, overrides
from filterd.store import audit as store
from tests import configs

NOW = 1_795_500_000


@pytest.fixture
def config(tmp_path: Path) -> Path:
    configs.write(tmp_path)
    (tmp_path / "state").mkdir()
    return tmp_path


@pytest.fixture
def folder(config: Path) -> Path:
    """A log of four lines."""
    folder = store.folder(config / "state")
    for entry in (
        {"kind": "account", "what": "add", "account": "an", "by": "root", "from": "box"},
        {"kind": "log-in", "account": "an", "from": "10.0.0.1"},
        {"kind": "override", "what": "set", "places": ["7-3"], "by": "an", "until": NOW, "reason": "kiểm tra 15 phút"},
        {"kind": "override", "what": "open", "places": ["3a"], "by": "binh", "reason": ""},
    ):  # fmt: skip
        store.append(folder, entry, NOW)
    return folder


def run(config: Path, *words: str, code: int = 0) -> Result:
    arguments = ["audit", *words, "-c", str(config), "--state-dir", str(config / "state")]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_a_whole_log_is_ok_and_its_head_is_what_head_prints(config: Path, folder: Path) -> None:
    head = run(config, "head").stdout.strip()
    assert head == str(store.head(folder))
    assert run(config, "verify").stdout == f"ok: 4 lines, each follows the one before\nhead {head}\n"
    assert "agrees with the head that was kept" in run(config, "verify", "--head", head).stdout


def test_a_log_of_nothing_is_whole(config: Path) -> None:
    assert run(config, "head").stdout == f"{START}\n"
    assert "ok: 0 lines" in run(config, "verify").stdout
    assert run(config, "show").stdout == "nothing\n"


def lines(folder: Path) -> list[bytes]:
    return store.path(folder).read_bytes().splitlines(keepends=True)


def alter(folder: Path) -> None:
    store.path(folder).write_bytes(store.path(folder).read_bytes().replace(b'"7-3"', b'"6-3"'))


def remove(folder: Path) -> None:
    store.path(folder).write_bytes(b"".join(lines(folder)[:1] + lines(folder)[2:]))


def swap(folder: Path) -> None:
    first, second, *rest = lines(folder)
    store.path(folder).write_bytes(b"".join([second, first, *rest]))


@pytest.mark.parametrize("change", [alter, remove, swap])
def test_a_log_that_was_changed_is_exit_code_1(config: Path, folder: Path, change: Callable[[Path], None]) -> None:
    change(folder)
    result = run(config, "verify", code=1)
    assert "NOT AS IT WAS WRITTEN: audit.jsonl line" in result.stderr
    assert "ok" not in result.stdout


def test_a_cut_log_is_seen_against_the_head_that_was_kept(config: Path, folder: Path) -> None:
    head = run(config, "head").stdout.strip()
    store.path(folder).write_bytes(b"".join(lines(folder)[:2]))
    assert "ok: 2 lines" in run(config, "verify").stdout
    assert (
        "the head that was kept knows 4 lines, and the log has 2"
        in run(config, "verify", "--head", head, code=1).stderr
    )
    store.path(folder).unlink()
    assert "knows 4 lines, and the log has 0" in run(config, "verify", "--head", head, code=1).stderr


def test_a_cut_log_is_seen_against_the_files_beside_it(config: Path, folder: Path) -> None:
    state = folder.parent
    accounts.update(state, lambda old: old, [{"what": "add", "account": "b"}], NOW)
    assert run(config, "verify").stdout.startswith("ok: ")
    store.path(folder).write_bytes(b"".join(lines(folder)[:4]))
    said = run(config, "verify", code=1).stderr
    assert re.search(r"the end is missing: accounts.json knows \d lines, and the log has 4", said)
    overrides.update(state, lambda _: Overrides((Override("7-3", NOW + 9),)), {}, NOW)
    store.path(folder).write_bytes(b"".join(lines(folder)[:4]))
    assert "the end is missing: overrides.json knows" in run(config, "verify", code=1).stderr


def test_a_log_whose_beginning_was_put_elsewhere_is_whole_after_its_head(config: Path, folder: Path) -> None:
    first = next(store.read(folder)).head
    store.path(folder).write_bytes(b"".join(lines(folder)[1:]))
    assert "it is line 2 of the log where 1 was expected" in run(config, "verify", code=1).stderr
    assert "ok: 3 lines" in run(config, "verify", "--after", str(first)).stdout
    last = store.head(folder)
    accounts.path(folder.parent).parent.mkdir()
    accounts.path(folder.parent).write_text(json.dumps(Accounts(sequence=1, chain=first.hash).to_json()))
    store.path(folder).unlink()
    assert "ok: 0 lines" in run(config, "verify", "--after", str(last)).stdout


def test_half_a_line_is_said_and_no_fault(config: Path, folder: Path) -> None:
    with store.path(folder).open("ab") as file:
        file.write(b'{"sequence":5,"ti')
    assert "passed over: audit.jsonl line 5: 17 bytes" in run(config, "verify").stdout


def test_a_log_of_nothing_but_damage_fills_no_screen(config: Path, folder: Path) -> None:
    store.path(folder).write_bytes(b"x\n" * 5000)
    result = run(config, "verify")
    assert len(result.output.splitlines()) < 30
    assert "more passed over" in result.output


def test_a_head_that_is_none_is_bad_input(config: Path) -> None:
    assert "is no head" in run(config, "verify", "--head", "12", code=2).stderr


def test_lines_are_shown_oldest_first_in_words(config: Path, folder: Path) -> None:
    shown = run(config, "show").stdout.splitlines()
    assert len(shown) == 4
    moment = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    assert re.fullmatch(rf"     1  {moment}  account add account=an by=root from=box", shown[0])
    assert re.fullmatch(
        rf'     3  {moment}  override set places=\["7-3"\] by=an until="{moment}" reason="kiểm tra 15 phút"', shown[2]
    )
    assert shown[3].endswith('override open places=["3a"] by=binh')


@pytest.mark.parametrize(
    ("words", "numbers"),
    [(("-n", "2"), [3, 4]), (("--who", "an"), [1, 2, 3]), (("--place", "3a"), [4]),
     (("--who", "an", "--place", "3a"), []), (("--who", "an", "-n", "1"), [3])],
    ids=["the last two", "about an account", "about a class", "both", "the last one about an account"],
)  # fmt: skip
def test_some_of_the_lines(config: Path, folder: Path, words: tuple[str, ...], numbers: list[int]) -> None:
    output = run(config, "show", "--json", *words).stdout
    assert [json.loads(line)["sequence"] for line in output.splitlines()] == numbers


@pytest.mark.parametrize("text", ["\x1b[2Jx", "a\nb", 'a" b', "\u202ex", "a=b c=d"])
def test_no_reason_makes_another_line_or_moves_the_cursor(config: Path, folder: Path, text: str) -> None:
    store.append(folder, {"kind": "override", "reason": text}, NOW)
    (line,) = run(config, "show", "-n", "1").stdout.splitlines()
    assert line.isprintable()
    assert json.loads(line.partition("reason=")[2]) == text


@pytest.mark.parametrize("key", ["kind", "what", "\x1b[2J", "a\nb"])
def test_no_word_of_an_entry_does_either(config: Path, folder: Path, key: str) -> None:
    store.append(folder, {key: ["\x1b[2J"]}, NOW)
    store.append(folder, {key: "\x1b[2J"}, NOW)
    shown = run(config, "show", "-n", "2").stdout.splitlines()
    assert len(shown) == 2
    assert all(line.isprintable() for line in shown)


def test_a_time_that_is_none_is_shown_as_its_number(config: Path, folder: Path) -> None:
    store.append(folder, {"kind": "x", "until": 10**18}, 10**18)
    assert str(10**18) in run(config, "show", "-n", "1").stdout


def test_a_link_in_the_place_of_the_log_is_said(config: Path, folder: Path) -> None:
    store.path(folder).unlink()
    store.path(folder).symlink_to("/etc/passwd")
    for words in (("head",), ("show",), ("verify",)):
        assert "audit.jsonl" in run(config, *words, code=2).stderr
