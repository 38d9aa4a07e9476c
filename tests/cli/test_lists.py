"""`filterd lists`: what people see, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from filterd.cli.main import main
from filterd.store import tables
from tests import configs

LINE = "  - {{id: {0}, name: {0}, url: {1}, format: {2}, category: {3}, licence: MIT}}\n"
GOOD = "".join(f"site{n}.com\n" for n in range(10))


@pytest.fixture
def school(tmp_path: Path) -> Path:
    """A configuration with two lists on disk and one that was never fetched."""
    for name, text in configs.FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "blocklists/curated").mkdir(parents=True, exist_ok=True)
    (tmp_path / "blocklists/sources.yaml").write_text(
        "sources:\n"
        + LINE.format("our-games", "'file:curated/games.txt'", "domains", "games")
        + LINE.format("our-adult", "'file:curated/adult.txt'", "hosts", "adult")
        + LINE.format("far-away", "https://lists.example/x.txt", "domains", "games")
    )
    (tmp_path / "blocklists/curated/games.txt").write_text(GOOD + "192.0.2.1\n")
    (tmp_path / "blocklists/curated/adult.txt").write_text("0.0.0.0 a.com\n")
    return tmp_path


def run(school: Path, *words: str) -> Result:
    arguments = ["lists", *words, "-c", str(school), "--state-dir", str(school / "state")]
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def test_build_publishes_and_says_what_each_list_gave(school: Path) -> None:
    result = run(school, "build")
    assert result.exit_code == 0, result.output
    current = tables.current(school / "state")
    assert f"Table {current}: 11 names from 2 lists, in force." in result.output
    assert "(1 ip dropped)" in result.output
    assert [line.split()[-3:] for line in result.output.splitlines() if "far-away" in line] == [["no", "copy", "yet"]]


def test_a_refused_list_is_loud_and_the_others_are_published(school: Path) -> None:
    run(school, "build")
    (school / "blocklists/curated/adult.txt").write_text("0.0.0.0 a.com\nx\ny\n<b>\n")
    result = run(school, "build")
    assert result.exit_code == 1
    assert "REFUSED" in result.output
    assert "3 of 4 lines are not hosts rules, first line 2: 'x'" in " ".join(result.output.split())
    assert "line 3: malformed: y" in result.output
    assert "MISSING NOW: our-adult" in result.output
    assert "10 names from 1 lists, in force." in result.output


def test_when_nothing_is_usable_nothing_is_published(school: Path) -> None:
    run(school, "build")
    before = tables.current(school / "state")
    for name in ("games", "adult"):
        (school / f"blocklists/curated/{name}.txt").write_text("# Entries: 0\n")
    result = run(school, "build")
    assert result.exit_code == 1
    assert "nothing was published" in result.output
    assert tables.current(school / "state") == before


def test_a_bad_configuration_ends_with_two_and_changes_nothing(school: Path) -> None:
    (school / "blocklists/sources.yaml").write_text("sources:\n  - {id: x}\n")
    result = run(school, "build")
    assert result.exit_code == 2
    assert "sources.yaml:2" in result.output
    assert not (school / "state").exists()


def test_status_fits_the_screen_and_names_the_table(school: Path) -> None:
    run(school, "build")
    result = run(school, "status")
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80
    assert f"Table {tables.current(school / 'state')}: 11 names, built" in result.output
    rows = {line.split()[0]: line.split()[1:3] for line in result.output.splitlines() if line.strip()}
    assert rows["our-games"] == ["games", "10"]
    assert rows["far-away"] == ["games", "none"]


def test_status_shows_why_a_list_is_missing(school: Path) -> None:
    (school / "blocklists/curated/adult.txt").write_text("<!doctype html>\n" + "x" * 200)
    run(school, "build")
    result = run(school, "status")
    assert "line 1 is HTML" in result.output
    assert max(map(len, result.output.splitlines())) <= 80


def test_status_for_programs(school: Path) -> None:
    run(school, "build")
    found = json.loads(run(school, "status", "--json").output)
    assert found["generation"] == tables.current(school / "state")
    assert (found["names"], found["error"]) == (11, None)
    games = next(row for row in found["sources"] if row["id"] == "our-games")
    assert (games["category"], games["entries"], games["refused"]) == ("games", 10, {"ip": 1})
    assert games["age_s"] >= 0


def test_status_without_a_table_says_so(school: Path) -> None:
    result = run(school, "status")
    assert result.exit_code == 1
    assert "No table has been built" in result.output


def test_status_of_a_damaged_table_says_so(school: Path) -> None:
    run(school, "build")
    current = tables.current(school / "state")
    assert current is not None
    (school / "state/tables" / current / "trie.marisa").write_bytes(b"x")
    result = run(school, "status")
    assert result.exit_code == 1
    assert "DAMAGED" in result.output
