"""`filterd explain` for people and for programs, and its exit codes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from filterd.cli.main import main
from tests.running import replace, write_school


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_school(tmp_path_factory.mktemp("explain"))


def explain(school: tuple[Path, Path], *arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments, "-c", str(school[0]), "--state-dir", str(school[1])])


@pytest.mark.parametrize(
    ("arguments", "code", "first"),
    [
        (("adult.example", "--class", "3a"), 1, "adult.example A for 3a: BLOCK (category)"),
        (("example.org", "--class", "3A"), 0, "example.org A for 3a: ALLOW (default)"),
        (("youtube.com", "--client", "127.0.73.7"), 0, "youtube.com A for 7-3: ALLOW (profile)"),
        (("example.org", "--client", "127.0.5.5"), 0, "example.org A for no class: ALLOW (default)"),
        (("example.org", "--client", "192.0.2.1"), 1, "example.org A for no class: BLOCK (unknown_client)"),
        (("192.168.1.1", "--class", "3a"), 1, "192.168.1.1 A for 3a: BLOCK (rebinding)"),
        (("2001:DB8::1", "--class", "3a"), 0, "2001:db8::1 AAAA for 3a: ALLOW (default)"),
        (("adult.example", "--class", "3a", "--type", "https"), 1, "adult.example HTTPS for 3a: BLOCK (category)"),
    ],
)
def test_the_first_line_says_it_all(
    school: tuple[Path, Path], arguments: tuple[str, ...], code: int, first: str
) -> None:
    done = explain(school, *arguments)
    assert done.exit_code == code, done.output
    assert done.stdout.splitlines()[0] == first


def test_people_see_the_whole_path(school: tuple[Path, Path]) -> None:
    text = explain(school, "www.adult.example", "--class", "3a").stdout
    assert "class     3a (3A)" in text
    assert "rule      tier tieu-hoc: adult" in text
    assert "list      adult-curated (adult) lists adult.example (subtree)" in text
    assert "  >  9 category closed by profile or tier: block: adult" in text
    assert "answer    0.0.0.0, TTL 10 s" in text


def test_programs_get_json(school: tuple[Path, Path]) -> None:
    found = json.loads(explain(school, "adult.example", "--class", "3a", "--json").stdout)
    wanted = {"name", "classroom", "tier", "profile", "action", "reason", "category", "sources", "rule", "ttl"}
    assert wanted <= set(found)
    assert found["sources"] == ["adult-curated"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("example.org",), "--client IP or --class ID"),
        (("example.org", "--class", "3a", "--client", "127.0.31.7"), "--client IP or --class ID"),
        (("example.org", "--class", "8b"), "'8b' is no class or room"),
        (("example.org", "--client", "nobody"), "is not an IP address"),
        (("no name", "--class", "3a"), "is not a domain name"),
        (("https://example.org/watch?v=1", "--class", "3a"), "is a URL; write the name only: example.org"),
        (("example.org", "--class", "3a", "--type", "AAA"), "'AAA' is not a query type such as A, AAAA"),
        (("example.org", "--class", "3a", "--at", "soon"), "is not a time like"),
        (("example.org", "--class", "3a", "--at", "2026-02-30 10:00"), "is not a time like"),
    ],
)
def test_bad_input_is_said_and_ends_with_two(school: tuple[Path, Path], arguments: tuple[str, ...], says: str) -> None:
    done = explain(school, *arguments)
    assert done.exit_code == 2
    assert says in done.stderr
    assert "Traceback" not in done.output


def test_a_broken_configuration_ends_with_two_and_every_mistake(tmp_path: Path) -> None:
    school = write_school(tmp_path)
    (school[0] / "policies/classes.yaml").write_text("classrooms: [{id: 3a, tier: nothing}]\n")
    done = explain(school, "example.org", "--class", "3a")
    assert done.exit_code == 2
    assert "policies/classes.yaml:1" in done.stderr


def test_another_time_is_the_schools_own(tmp_path: Path) -> None:
    school = write_school(tmp_path)
    # 2030-01-07 10:00 to 11:00 in Vietnam
    override = {"place": "3a", "since": 1_893_985_200, "until": 1_893_988_800, "profile": "video"}
    replace(school[1] / "overrides.json", json.dumps({"items": [override], "sequence": 1}).encode())
    for at, code in (("07 09:59", 1), ("07 10:00", 0), ("07T10:59", 0), ("07 11:00", 1)):
        done = explain(school, "youtube.com", "--class", "3a", "--at", f"2030-01-{at}")
        assert done.exit_code == code, at
    assert explain(school, "youtube.com", "--class", "3a", "--at", "10:30").exit_code == 1, "today's"


def test_what_is_wrong_with_the_inputs_is_noted(tmp_path: Path) -> None:
    school = write_school(tmp_path)
    (school[1] / "overrides.json").write_text("{")
    (school[1] / "CURRENT").write_text("rubbish")
    done = explain(school, "adult.example", "--class", "3a")
    assert done.exit_code == 1
    assert "note: overrides.json" in done.stdout
    assert "note: CURRENT is missing or damaged" in done.stdout


def test_it_leaves_no_trace(school: tuple[Path, Path]) -> None:
    before = {path: path.stat().st_mtime_ns for path in school[1].parent.rglob("*")}
    started = time.monotonic()
    explain(school, "adult.example", "--class", "3a")
    assert time.monotonic() - started < 10
    assert {path: path.stat().st_mtime_ns for path in school[1].parent.rglob("*")} == before
