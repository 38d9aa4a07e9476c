import fcntl
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from filterd.cli.main import main
from filterd.config import load
from filterd.core.policy import SchoolName
from tests import configs, running

NAMES = configs.FILES["policies/names.yaml"]


@pytest.fixture
def config(tmp_path):
    return configs.write(tmp_path)


def site(config, *words: str):
    return CliRunner().invoke(main, ["site", words[0], *words[1:], "-c", str(config)])


def text(config) -> str:
    return (config / "policies" / "names.yaml").read_text(encoding="utf-8")


def test_a_name_is_closed_for_the_whole_school(config):
    result = site(config, "block", "Roblox.com")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == (
        "closed: roblox.com and everything below it, for the whole school\n"
        "A running server takes it within a second; none has run with this state directory yet.\n"
    )
    assert text(config) == NAMES + "  - roblox.com\n"


def test_a_name_is_opened_for_one_class_with_a_reason(config):
    result = site(config, "allow", "=kenh.example", "--class", "7-3", "--reason", "Dự án của lớp")
    assert result.stdout.startswith("open: kenh.example alone, for class 7-3\n")
    assert load.load(config).names[1] == SchoolName("=kenh.example", True, (), ("7-3",), "Dự án của lớp")
    assert "# the library asked for it" in text(config)


def test_saying_it_twice_changes_nothing(config):
    site(config, "block", "roblox.com", "--tier", "thcs")
    before = text(config)
    result = site(config, "block", "roblox.com", "--tier", "thcs")
    assert (result.exit_code, text(config)) == (0, before)
    assert result.stdout == "already closed: roblox.com and everything below it, for tier thcs\n"


def test_opening_what_was_closed_moves_it(config):
    result = site(config, "allow", "tro-choi.example")
    assert result.stdout.startswith("removed: block tro-choi.example for the whole school\nopen: tro-choi.example")
    assert [(n.name, n.allow) for n in load.load(config).names] == [("vi-du.edu.vn", True), ("tro-choi.example", True)]


def test_a_name_is_taken_out_again(config):
    site(config, "block", "roblox.com")
    result = site(config, "remove", "roblox.com")
    assert result.exit_code == 0
    assert result.stdout.startswith("removed: block roblox.com for the whole school\n")
    assert text(config) == NAMES


def test_taking_out_for_one_tier_leaves_the_others(config):
    configs.change(config, "policies/names.yaml", "tiers: [thcs]", "tiers: [thcs, staff]")
    assert site(config, "remove", "vi-du.edu.vn", "--tier", "thcs").exit_code == 0
    assert load.load(config).names[0].tiers == ("staff",)


def test_taking_out_what_is_not_there_is_a_negative_result(config):
    result = site(config, "remove", "tro-choi.exmple")
    assert result.exit_code == 1
    assert result.stdout == "names.yaml has no tro-choi.exmple for anybody; did you mean 'tro-choi.example'?\n"
    assert text(config) == NAMES


def test_the_list_tells_for_whom_and_why(config):
    assert site(config, "list").stdout.splitlines() == [
        "allow  vi-du.edu.vn  tier thcs  # Thư viện",
        "block  tro-choi.example  the whole school",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("roblox.com", "--tier", "thsc"), "--tier: 'thsc' is not a tier; did you mean 'thcs'?"),
        (("roblox.com", "--class", "7-4"), "--class: '7-4' is not a class or room; did you mean '7-3'?"),
        (("roblox.com", "--class", "7-3", "--tier", "thcs"), "--tier, --class: one of them, not both"),
        (("com.vn",), "NAME: 'com.vn' is a public suffix: it would cover every site below it; name the sites"),
        (("https://roblox.com/games",), "is a URL; write the name only: roblox.com"),
        (("a b",), "NAME: 'a b' is not a domain name"),
        (("roblox.com", "--reason", "a\x07b"), "--reason: holds a control character"),
        (("",), "it is empty"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_input_changes_nothing(config, words, message):
    result = site(config, "block", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.endswith("Nothing was changed; in force: the running server, if any, keeps what it had.\n")
    assert text(config) == NAMES


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("block", "moet.gov.vn"), "warning: block moet.gov.vn has no effect: moet.gov.vn is must-allow"),
        (("allow", "a.moet.gov.vn"), "warning: allow a.moet.gov.vn has no effect: moet.gov.vn is must-allow"),
        (("allow", "a.tro-choi.example"), "has no effect: block tro-choi.example for the whole school comes first"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_entry_without_effect_is_said_to_be_one(config, words, message):
    result = site(config, *words)
    assert result.exit_code == 0
    assert message in result.stderr


@pytest.mark.parametrize("scope", [(), ("--tier", "thcs"), ("--class", "3a")], ids=str)
def test_a_name_that_the_floor_closes_is_not_said_to_be_open_without_a_warning(tmp_path, scope):
    config, state = running.write_school(tmp_path, names="evil.example\n")
    sources = config / "blocklists" / "sources.yaml"
    sources.write_text(sources.read_text(encoding="utf-8").replace("category: adult", "category: malware"))
    running.build_table(config, state)
    result = CliRunner().invoke(
        main, ["site", "allow", "evil.example", *scope, "-c", str(config), "--state-dir", str(state)]
    )
    assert result.exit_code == 0
    assert result.stderr == (
        "warning: allow evil.example has no effect: it is in malware, a category of the floor (adult-curated); "
        "only must_allow of floor.yaml opens it\n"
    )


def test_a_name_that_only_a_tier_closes_is_opened_without_a_warning(tmp_path):
    config, state = running.write_school(tmp_path)
    result = CliRunner().invoke(main, ["site", "allow", "adult.example", "-c", str(config), "--state-dir", str(state)])
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_mistake_anywhere_in_the_configuration_stops_the_edit(config):
    configs.change(config, "policies/classes.yaml", "tier: thcs", "tier: thsc")
    result = site(config, "block", "roblox.com")
    assert result.exit_code == 2
    assert "policies/classes.yaml:3 classrooms[1].tier: 'thsc' is not a tier" in result.stderr
    assert text(config) == NAMES


def test_comments_inside_an_entry_are_not_lost(config):
    entry = "- name: tro-choi.example\n    # ask the head\n    tiers: [thcs, staff]"
    configs.change(config, "policies/names.yaml", "- tro-choi.example  # bare names are fine", entry)
    before = text(config)
    result = site(config, "remove", "tro-choi.example", "--tier", "thcs")
    assert result.exit_code == 2
    assert "policies/names.yaml: tro-choi.example has comments inside its entry; edit it by hand" in result.stderr
    assert text(config) == before


def test_an_edit_leaves_nothing_beside_the_files(config):
    before = sorted(os.listdir(config / "policies"))
    site(config, "block", "roblox.com")
    assert sorted(os.listdir(config / "policies")) == before


def test_mode_and_link_of_the_file_stay(config, tmp_path):
    path = config / "policies" / "names.yaml"
    kept = tmp_path / "elsewhere.yaml"
    path.rename(kept)
    kept.chmod(0o664)
    path.symlink_to(kept)
    assert site(config, "block", "roblox.com").exit_code == 0
    assert path.is_symlink()
    assert "roblox.com" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o664


def test_a_second_edit_waits_for_the_first(config):
    lock = os.open(config / "policies", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    command = [sys.executable, "-m", "filterd", "site", "block", "roblox.com", "-c", str(config)]
    second = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(1)
    assert text(config) == NAMES
    os.close(lock)
    _, told = second.communicate(timeout=20)
    assert (second.returncode, told) == (0, b"")
    assert text(config) == NAMES + "  - roblox.com\n"


def test_a_server_s_state_is_known_by_its_policy(config):
    (config / "var" / "dns").mkdir(parents=True)
    (config / "var" / "dns" / "policy.json").write_text("{}")
    assert site(config, "block", "roblox.com").stdout.endswith("\nA running server takes it within a second.\n")


def test_no_configuration_is_bad_input(tmp_path):
    result = site(tmp_path, "block", "roblox.com")
    assert result.exit_code == 2
    assert "has no folder policies/" in result.stderr
