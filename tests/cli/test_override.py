"""`filterd override`: what the box's administrators set, as they type it and as they read it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from filterd.cli.main import main
from filterd.store import audit, overrides
from filterd.update import clock
from tests.running import write_school


@pytest.fixture
def school(tmp_path: Path) -> tuple[Path, Path]:
    return write_school(tmp_path)


def override(school: tuple[Path, Path], *words: str) -> Result:
    where = ["-c", str(school[0]), "--state-dir", str(school[1])]
    return CliRunner().invoke(main, ["override", words[0], *where, *words[1:]])


def entries(school: tuple[Path, Path]) -> list[dict[str, object]]:
    return [dict(line.entry) for line in audit.read(audit.folder(school[1]))]


def test_a_class_is_set_to_a_profile_for_a_while(school: tuple[Path, Path]) -> None:
    result = override(school, "set", "3A", "exam", "--for", "45m", "--reason", "Kiểm tra 1 tiết")
    assert result.exit_code == 0, result.output
    line, after = result.stdout.splitlines()
    assert line.startswith("3A: profile exam, until ")
    assert "(in 45 min)" in line
    assert line.endswith(": Kiểm tra 1 tiết")
    assert after == "A running server takes it within a second. Devices may use old answers for 60 s."
    (item,) = overrides.load(school[1]).items
    assert abs(item.until - time.time() - 2700) < 60
    assert item.role == "technician"
    assert entries(school)[0]["from"] == "box"


def test_services_and_names_are_opened_and_closed(school: tuple[Path, Path]) -> None:
    assert override(school, "allow", "3a", "youtube", "a.example", "--for", "20m").exit_code == 0
    result = override(school, "block", "khoi-3", "olm", "--for", "20m")
    assert "3A: closed: olm, until" in result.stdout
    listed = override(school, "list").stdout.splitlines()
    assert [line.split(", until")[0] for line in listed] == ["3A: open: youtube, a.example", "3A: closed: olm"]


def test_what_is_set_is_extended_and_cleared(school: tuple[Path, Path]) -> None:
    override(school, "set", "3a", "exam", "--for", "45m")
    assert "(in 2 h)" in override(school, "extend", "3a", "--for", "2h").stdout
    assert "3A: nothing is set any more" in override(school, "clear", "3a").stdout
    assert override(school, "list").stdout == "nothing is set\n"
    assert [entry["what"] for entry in entries(school)] == ["set", "extend", "clear"]


def test_the_list_is_for_programs_too(school: tuple[Path, Path]) -> None:
    override(school, "allow", "3a", "youtube", "--for", "20m", "--as", "head")
    (found,) = json.loads(override(school, "list", "3A", "--json").stdout)
    assert (found["place"], found["open"], found["closed"], found["role"]) == ("3a", ["youtube"], [], "head")
    assert json.loads(override(school, "list", "staff-room", "--json").stdout) == []


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("set", "3b", "exam", "--for", "1h"), 2, "refused (unknown): '3b' is no class"),
        (("set", "3a", "exm", "--for", "1h"), 2, "did you mean 'exam'?"),
        (("set", "3a", "exam"), 2, "such as --for 45m"),
        (("set", "3a", "exam", "--until", "lunch"), 1, "write 10:15"),
        (("set", "3a", "exam", "--for", "8d"), 1, "refused (too-long): that is too long for a technician; at most 7 d"),
        (("set", "3a", "exam", "--for", "1h", "--as", "teacher"), 2, "teacher"),
        (("set", "3a", "exam", "--for", "1h", "--reason", "a\x1b[2J"), 2, "refused (reason)"),
        (("allow", "3a", "tro-choi.example", "--for", "1h"), 1, "refused (school-block)"),
        (("allow", "3a", "com.vn", "--for", "1h"), 2, "public suffix"),
        (("block", "3a", "moet.gov.vn", "--for", "1h"), 1, "refused (must-allow)"),
        (("allow", "3a", "--for", "1h"), 2, "WHAT"),
        (("clear", "3a"), 1, "nothing is set for 3a"),
        (("list", "3b"), 2, "'3b' is no class"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    school: tuple[Path, Path], words: tuple[str, ...], code: int, says: str
) -> None:
    result = override(school, *words)
    assert (result.exit_code, says in result.stderr) == (code, True), result.output
    assert entries(school) == []


def test_a_lower_role_does_not_lift_what_a_higher_one_set(school: tuple[Path, Path]) -> None:
    override(school, "set", "school", "exam", "--for", "1h", "--as", "head")
    result = override(school, "clear", "3a")
    assert result.exit_code == 1
    assert "refused (rank): 3a was set by" in result.stderr
    assert override(school, "clear", "school", "--as", "head").exit_code == 0


@pytest.mark.parametrize("words", [("set", "3a", "exam", "--for", "1h"), ("list",)], ids=["set", "list"])
def test_a_damaged_file_is_said_and_left(school: tuple[Path, Path], words: tuple[str, ...]) -> None:
    overrides.path(school[1]).parent.mkdir()
    overrides.path(school[1]).write_bytes(b"{")
    result = override(school, *words)
    assert result.exit_code == 2
    assert "overrides.json: Expecting" in result.stderr
    assert overrides.path(school[1]).read_bytes() == b"{"


FULL = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
runpy.run_module("filterd", run_name="__main__")
"""


def run(school: tuple[Path, Path], *before: str) -> subprocess.CompletedProcess[str]:
    command = [*before, "override", "set", "3a", "exam", "--for", "1h", "-c", str(school[0])]
    return subprocess.run([*command, "--state-dir", str(school[1])], capture_output=True, text=True, check=False)


def test_on_a_full_disk_nothing_changes_and_the_command_says_so(school: tuple[Path, Path]) -> None:
    override(school, "block", "3a", "a.example", "--for", "1h")
    before = overrides.load(school[1])
    result = run(school, sys.executable, "-c", FULL)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1] == "filterd: File too large"
    assert overrides.load(school[1]) == before
    assert len(entries(school)) == 1


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")
@pytest.mark.skipif(clock.SYNCHRONIZED.exists(), reason="this machine was told the time, so any clock is believed")
def test_nothing_is_set_by_a_clock_from_before_the_last_change(school: tuple[Path, Path]) -> None:
    override(school, "block", "3a", "a.example", "--for", "1h")
    result = run(school, "faketime", "-f", "-1h", sys.executable, "-m", "filterd")
    assert result.returncode == 1
    assert "refused (clock): this box does not know the time" in result.stderr
    assert len(entries(school)) == 1


def test_two_administrators_at_once_both_get_their_wish(school: tuple[Path, Path]) -> None:
    where = ["-c", str(school[0]), "--state-dir", str(school[1])]
    words = [["block", "3a", f"a{i}.example", "--for", "1h"] for i in range(4)]
    running = [subprocess.Popen([sys.executable, "-m", "filterd", "override", *each, *where]) for each in words]
    assert [process.wait(60) for process in running] == [0] * 4
    names = {name for item in overrides.load(school[1]).items for name in item.block.names}
    assert names == {f"a{i}.example" for i in range(4)}
    assert not audit.verify(audit.folder(school[1])).problems
