"""`filterd update`: its options and exit codes, with lists from a real web server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from filterd.cli.main import main
from filterd.store import lists, status, tables
from tests.certificates import Authority
from tests.peers import server_context
from tests.running import REPO
from tests.update.boxes import Box, body, source
from tests.update.webserver import WebServer

FIRST = body(100, more=["game.example"])


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer({"/games.txt": FIRST, "/more.txt": body(2000, 1000)}) as server:
        yield server


@pytest.fixture
def box(tmp_path: Path, web: WebServer) -> Box:
    return Box(tmp_path, web, source("games-list", "/games.txt"), source("more-list", "/more.txt"))


def words(box: Box, *given: str) -> list[str]:
    return ["update", *given, "-c", str(box.config), "--state-dir", str(box.state)]


def run(box: Box, *given: str) -> Result:
    return CliRunner().invoke(main, words(box, *given), catch_exceptions=False)


def flat(text: str) -> str:
    return " ".join(text.split())


class TestOptions:
    def test_a_dry_run_changes_nothing_and_says_what_it_would_do(self, box: Box):
        result = run(box, "--dry-run")
        assert result.exit_code == 0
        assert "games-list  would take  101 entries (new)" in result.output
        assert "Dry run: nothing was changed." in result.output
        assert box.generation is None
        assert lists.good(box.state, "games-list") is None

    def test_offline_asks_nobody(self, box: Box, web: WebServer):
        result = run(box, "--offline")
        assert result.exit_code == 0
        assert not web.requests
        assert "from 1 lists" in result.output

    def test_from_a_stick_takes_what_is_there(self, box: Box, web: WebServer, tmp_path: Path):
        stick = tmp_path / "stick"
        stick.mkdir()
        (stick / "games-list.txt").write_bytes(FIRST)
        result = run(box, "--from", str(stick))
        assert result.exit_code == 1
        assert "games-list  taken      101 entries (new)" in result.output
        assert f"Not in {stick}, and left as they were: more-list." in flat(result.output)
        assert "FAILED" not in result.output
        assert not web.requests

    def test_programs_get_the_status_and_nothing_else(self, box: Box):
        result = run(box, "--json")
        assert json.loads(result.stdout) == status.read(box.state)

    @pytest.mark.parametrize(
        ("name", "answer"),
        [
            ("games-lst", "did you mean 'games-list'?"),
            ("adult-curated", "is a file of this box"),
            ("off-list", "'enabled: true'"),
        ],
    )
    def test_a_list_that_cannot_be_asked_is_explained(self, tmp_path: Path, web: WebServer, name: str, answer: str):
        off = source("off-list", "/x.txt", ", enabled: false")
        box = Box(tmp_path, web, source("games-list", "/games.txt"), off)
        result = run(box, "--source", name)
        assert result.exit_code == 2
        assert answer in flat(result.output)
        assert not box.state.exists()


class TestExitCodes:
    def test_a_second_run_at_once_says_so(self, box: Box):
        with lists.lock(box.state):
            result = run(box)
        assert result.exit_code == 1
        assert "another update is at work" in result.output

    def test_a_bad_configuration_is_two(self, box: Box):
        (box.config / "policies/tiers.yaml").write_text("nonsense\n")
        assert run(box).exit_code == 2
        assert tables.current(box.state) is None

    def test_a_box_that_does_not_know_the_time_says_so_and_tries_again(self, tmp_path: Path):
        faketime = shutil.which("faketime")
        if faketime is None:
            pytest.skip("faketime is not installed")
        authority = Authority(tmp_path)
        with WebServer({"/games.txt": FIRST}, tls=server_context(authority.certificate, authority.key)) as web:
            box = Box(tmp_path, web, source("games-list", "/games.txt"))
            command = [faketime, "1975-01-01", sys.executable, "-m", "filterd", *words(box)]
            done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=60)
        assert done.returncode == 75, done.stdout + done.stderr
        assert "games-list  FAILED     clock\n" in done.stdout
        assert "This box does not know the time" in done.stdout
        assert "timedatectl set-ntp true" in done.stdout
        assert box.blocks("adult.example")
