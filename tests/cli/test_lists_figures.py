"""`filterd lists diff` and `quality`: what entered and left and for whom, and how good the lists are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from filterd.cli.main import main
from tests.update.boxes import Box, body, source
from tests.update.webserver import WebServer


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer({"/games.txt": body(100, more=["game.example"]), "/more.txt": body(60, 50)}) as server:
        yield server


@pytest.fixture
def box(tmp_path: Path, web: WebServer) -> Box:
    """Two nights: on the second, two names entered and one left."""
    languages = ", languages: [vi]"
    made = Box(tmp_path, web, source("games-list", "/games.txt", languages), source("more-list", "/more.txt"))
    made.night()
    web.files["/games.txt"] = body(100, more=["new.example", "other.example"])
    made.night()
    return made


def run(box: Box, *given: str) -> Result:
    words = ["lists", *given, "-c", str(box.config), "--state-dir", str(box.state)]
    return CliRunner().invoke(main, words, catch_exceptions=False)


def rows(text: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}


class TestDiff:
    def test_it_counts_by_list_and_category_with_samples(self, box: Box):
        result = run(box, "diff")
        assert result.exit_code == 0
        assert rows(result.output)["games-list"] == rows(result.output)["games"] == ["2", "1"]
        assert "    + new.example, other.example\n    - game.example\n" in result.output
        assert "more-list" not in result.output
        assert "001-" in rows(result.output)["from"][0]
        assert f"{box.generation}:" in rows(result.output)["to"]

    def test_it_names_the_table_to_start_from(self, box: Box):
        assert rows(run(box, "diff", "2").output)["nothing"] == []
        result = run(box, "diff", "9")
        assert result.exit_code == 1
        assert "is not kept; there is 000002-" in result.output

    def test_what_is_held_is_compared_before_it_is_accepted(self, box: Box, web: WebServer):
        web.files["/games.txt"] = body(20, more=["new.example"])
        box.night()
        result = run(box, "diff", "--held", "games-list")
        assert result.exit_code == 0
        assert rows(result.output)["games-list"] == ["0", "81"]
        assert rows(result.output)["games"] == ["0", "31"]  # the other list has the rest

    @pytest.mark.parametrize("name", ["games-list", "nonsense"])
    def test_what_is_not_held_cannot_be_compared(self, box: Box, name: str):
        result = run(box, "diff", "--held", name)
        assert result.exit_code == 1
        assert f"nothing of '{name}' is held" in result.output

    def test_top_sites_are_counted_by_tier(self, box: Box, tmp_path: Path):
        top = tmp_path / "top.csv"
        top.write_text("1,example.org\n2,new.example\n3,game.example\n")
        result = run(box, "diff", "--top", str(top))
        assert f"Of 3 names of {top}:" in result.output
        assert rows(result.output)["thcs"] == ["1", "1"]
        assert rows(result.output)["staff"] == ["0", "0"]

    def test_top_sites_of_the_school_are_the_default(self, box: Box, tmp_path: Path):
        (tmp_path / "top.txt").write_text("new.example\n")
        school = box.config / "policies/school.yaml"
        school.write_text(school.read_text() + f"update: {{top_sites: {tmp_path / 'top.txt'}}}\n")
        assert rows(run(box, "diff").output)["thcs"] == ["1", "0"]

    def test_a_top_file_without_names_says_so(self, box: Box, tmp_path: Path):
        (tmp_path / "top.txt").write_text("# nothing\n")
        result = run(box, "diff", "--top", str(tmp_path / "top.txt"))
        assert result.exit_code == 1
        assert "has no names" in " ".join(result.output.split())

    def test_programs_get_all_of_it(self, box: Box):
        found = json.loads(run(box, "diff", "--json").stdout)
        assert found["difference"]["sources"]["games-list"]["entered"] == 2
        assert found["top_sites"] == 0

    def test_without_a_table_there_is_nothing_to_compare(self, tmp_path: Path):
        result = run(Box(tmp_path, None), "diff")
        assert result.exit_code == 1
        assert "there is no table yet" in result.output


class TestQuality:
    def test_it_says_what_each_list_adds(self, box: Box):
        result = run(box, "quality")
        assert result.exit_code == 0
        found = rows(result.output)
        assert found["games-list"] == ["102", "51", "%", "51", "%"]
        assert found["more-list"] == ["60", "17", "%"]
        assert found["games"] == ["112"]

    def test_it_names_what_is_closed_by_mistake_and_by_whom(self, box: Box):
        (box.config / "policies/probes.yaml").write_text(
            "quality:\n  - {id: lessons, name: {vi: Học, en: Learning}, names: [new.example, fine.example]}\n"
        )
        result = run(box, "quality")
        assert "new.example (games): games-list" in result.output
        assert "tieu-hoc, thcs: 1 of" in result.output
        assert "staff: 0 of" in result.output

    def test_programs_get_all_of_it(self, box: Box):
        found = json.loads(run(box, "quality", "--json").stdout)
        assert {tier["tier"] for tier in found["tiers"]} == {"tieu-hoc", "thcs", "staff"}

    def test_without_a_table_there_is_nothing_to_measure(self, tmp_path: Path):
        assert run(Box(tmp_path, None), "quality").exit_code == 1


@pytest.mark.parametrize("word", ["diff", "quality"])
def test_it_fits_the_screen(box: Box, word: str) -> None:
    assert max(map(len, run(box, word).output.splitlines())) <= 80
