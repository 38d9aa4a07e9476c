"""`filterd update --from` and the sticks that people bring."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from filterd.cli.main import main
from tests.running import REPO
from tests.update.boxes import FIRST, GAMES, MORE, Box

IDS = ("games-list", "more-list")


@pytest.fixture
def box(tmp_path: Path) -> Box:
    sources = (line.replace("{web}", "https://lists.example") for line in (GAMES, MORE))
    return Box(tmp_path, None, *sources)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "stick"
    path.mkdir()
    return path


def words(box: Box, folder: Path, *given: str) -> list[str]:
    return ["update", "--from", str(folder), *given, "-c", str(box.config), "--state-dir", str(box.state)]


def run(box: Box, folder: Path, *given: str) -> Result:
    return CliRunner().invoke(main, words(box, folder, *given), catch_exceptions=False)


def flat(text: str) -> str:
    return " ".join(text.split())


def test_what_is_taken_missing_and_not_used_is_said(box: Box, folder: Path) -> None:
    (folder / "Games List.TXT").write_bytes(FIRST)
    (folder / "more (1).txt").write_bytes(FIRST)
    result = run(box, folder)
    assert result.exit_code == 1
    assert "games-list  taken      101 entries (new)\n" in result.output
    assert f"Not in {folder}, and left as they were: more-list." in flat(result.output)
    assert "Not used, as no list that is on has such a name: 'more (1).txt'." in flat(result.output)
    assert max(map(len, result.output.replace(str(folder), "").splitlines())) <= 80


def test_all_that_is_there_is_no_trouble(box: Box, folder: Path) -> None:
    for name in IDS:
        (folder / f"{name}.txt").write_bytes(FIRST.replace(b"site-", name.encode()))
    result = run(box, folder)
    assert result.exit_code == 0, result.output
    assert "Not " not in result.output


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "it is empty: is the stick mounted there?"),
        ("photo.jpg", "there is 'photo.jpg'. The name of a list is its ID and .txt, such as games-list.txt;"),
        ("index.json", "holds no lists but a signed bundle. Take it with: filterd lists import"),
    ],
    ids=["nothing", "something else", "a bundle"],
)
def test_a_folder_without_lists_changes_nothing_and_says_what_to_do(
    box: Box, folder: Path, name: str, says: str
) -> None:
    if name:
        (folder / name).write_bytes(b"x")
    result = run(box, folder)
    assert result.exit_code == 1
    assert says in flat(result.output)
    assert not (box.state / "status.json").exists()


def test_one_list_that_was_asked_for_and_is_not_there(box: Box, folder: Path) -> None:
    (folder / "more-list.txt").write_bytes(FIRST)
    result = run(box, folder, "--source", "games-list")
    assert result.exit_code == 1
    assert "has none of these lists" in flat(result.output)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_stick_that_the_owner_of_the_lists_may_not_read(box: Box, folder: Path) -> None:
    (folder / "games-list.txt").write_bytes(FIRST)
    folder.chmod(0o700)
    box.state.mkdir()
    os.chown(box.state, 12345, 12345)
    for above in (box.config, *folder.parents):
        if above.stat().st_mode & 0o055 != 0o055:
            above.chmod(above.stat().st_mode | 0o055)
    command = [sys.executable, "-m", "filterd", *words(box, folder)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Permission denied for the user 12345, who reads the lists. Mount the stick so that" in flat(done.stderr)
