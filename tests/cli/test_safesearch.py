"""`filterd safesearch` for people and for programs, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from filterd.cli.main import main
from tests import configs

SEARCH = """\
engines:
  tim:
    name: {vi: Tìm, en: Find}
    hosts: [www.tim.example, tim.example]
    modes: {"on": {cname: safe.tim.example}}
    sources: [https://help.tim.example/safe]
  youtube:
    name: {vi: YouTube, en: YouTube}
    hosts: [www.youtube.com]
    modes: {strict: {cname: restrict.youtube.com}, moderate: {ipv4: [192.0.2.7], ipv6: ["2001:db8::7"]}}
without_safe_mode: {category: games, names: [khong.example, thu.example]}
"""
EVERYBODY = """\
tieu-hoc: Tiểu học / Primary
  tim            on           2 hosts  safe.tim.example
  youtube        strict       1 hosts  restrict.youtube.com
  others         closed       2 names  without a safe mode (games)

thcs: Trung học cơ sở / Lower secondary
  tim            off
  youtube        moderate     1 hosts  192.0.2.7, 2001:db8::7
  others         closed       2 names  without a safe mode (games)

staff: Giáo viên / Staff
  tim            off
  youtube        off
  others         open         2 names  without a safe mode (games)

tim: Tìm / Find
    https://help.tim.example/safe
youtube: YouTube
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    configs.write(tmp_path, safesearch=SEARCH)
    old = "    block: [adult, games]\n"
    said = f"{old}    safe_search: {{tim: off, youtube: moderate}}\n"
    configs.change(tmp_path, "policies/tiers.yaml", old, said)
    return tmp_path


def safesearch(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["safesearch", "-c", str(config), *arguments])


def test_every_tier_is_told_with_mode_hosts_target_and_source(config: Path) -> None:
    done = safesearch(config)
    assert (done.exit_code, done.stdout) == (0, EVERYBODY)


def test_one_tier_is_told_alone_with_its_hosts(config: Path) -> None:
    lines = safesearch(config, "--tier", "tieu-hoc", "--hosts").stdout.splitlines()
    assert lines[2] == "    www.tim.example, tim.example"
    assert not any(line.startswith(("thcs", "staff")) for line in lines)


def test_a_class_is_told_what_it_cannot_open_at_all(config: Path) -> None:
    lines = safesearch(config, "--class", "3A").stdout.splitlines()
    assert lines[0] == "3a, tier tieu-hoc: Tiểu học / Primary"
    assert lines[2:4] == [
        "  youtube        strict       1 hosts  restrict.youtube.com",
        "    closed now: tier tieu-hoc: streaming",
    ]


def test_a_class_whose_profile_opens_an_engine_has_it_in_safe_mode(config: Path) -> None:
    assert "closed now" not in safesearch(config, "--class", "7-3").stdout


def test_programs_get_json(config: Path) -> None:
    found = json.loads(safesearch(config, "--tier", "thcs", "--json").stdout)
    assert [tier["id"] for tier in found["tiers"]] == ["thcs"]
    off, moderate = found["tiers"][0]["engines"]
    assert (off["mode"], off["target"]) == ("off", None)
    assert (moderate["mode"], moderate["addresses"]) == ("moderate", ["192.0.2.7", "2001:db8::7"])
    assert found["engines"][0]["hosts"] == ["www.tim.example", "tim.example"]
    assert found["tiers"][0]["without_safe_mode"] == {"category": "games", "names": 2, "closed": True}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--tier", "thsc"), "'thsc' is not a tier; did you mean 'thcs'?"),
        (("--class", "7-4"), "'7-4' is not a class or room; did you mean '7-3'?"),
        (("--tier", "thcs", "--class", "7-3"), "one of --tier and --class, not both"),
    ],
)
def test_what_is_not_there_is_bad_input(config: Path, arguments: tuple[str, ...], says: str) -> None:
    done = safesearch(config, *arguments)
    assert done.exit_code == 2
    assert says in done.stderr


def test_without_the_file_it_says_so(config: Path) -> None:
    (config / "policies" / "safesearch.yaml").unlink()
    assert "there is no policies/safesearch.yaml" in safesearch(config).stdout


def test_every_line_of_what_ships_fits_a_terminal() -> None:
    root = Path(__file__).resolve().parents[2]
    lines = safesearch(root, "--hosts").stdout.splitlines()
    assert [line for line in lines if len(line) > 80 and "://" not in line] == []
