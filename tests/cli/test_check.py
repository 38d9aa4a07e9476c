import dataclasses

import pytest
from click.testing import CliRunner

from filterd.cli.main import main
from filterd.config import load
from filterd.store import policies
from tests import configs

SUMMARY = """\
ok
school     Trường Thử / Test School (thu-01), Asia/Ho_Chi_Minh
listen     127.0.0.1:5300; metrics 127.0.0.1:9953; workers 1
networks   127.0.0.0/8, 10.0.0.0/8, fd00::/16; unknown clients: tier tieu-hoc
upstreams  udp://127.0.0.1:5399; source ports auto
answers    private addresses from outside are refused; without ECH for tieu-hoc,
           thcs; without QUIC for tieu-hoc, thcs
blocked    answer zero
tiers      tieu-hoc (closes 3, used by 1), thcs (closes 2, used by 1), staff
           (closes 1, used by 1)
search     safe modes of 1 engines; in force: tieu-hoc 1, thcs 1, staff 0
classes    2: 3a, 7-3
rooms      1: staff-room
profiles   learning, video, exam, offline
categories 4; in the floor: malware
services   2 in 1 bundles
names      1 allow, 1 block, 3 must-allow
contacts   1
lists      1
in force   nothing yet: no server has run with this state directory
"""


@pytest.fixture
def config(tmp_path):
    return configs.write(tmp_path)


def check(config, *more: str):
    return CliRunner().invoke(main, ["check", "-c", str(config), *more])


def test_a_valid_configuration_is_told_on_one_screen(config):
    result = check(config)
    assert result.exit_code == 0
    assert result.stdout.startswith(SUMMARY)
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


def test_warnings_follow_the_summary(config):
    (config / "blocklists" / "curated" / "adult.txt").unlink()
    (config / "policies" / "clases.yaml").write_text("classrooms: []\n")
    lines = check(config).stdout.removeprefix(SUMMARY)
    assert lines.startswith("warning: policies/clases.yaml: is not read")
    assert "warning: blocklists/sources.yaml: 'adult-curated': there is no curated/adult.txt" in lines


def test_every_mistake_is_told_and_what_is_in_force(config):
    configs.change(config, "policies/classes.yaml", "tier: thcs", "tier: thsc")
    configs.change(config, "blocklists/sources.yaml", "category: adult", "category: adlut")
    result = check(config)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "blocklists/sources.yaml:6 sources[0].category: 'adlut' is not a category; did you mean 'adult'?",
        "policies/classes.yaml:3 classrooms[1].tier: 'thsc' is not a tier; did you mean 'thcs'?",
        "Nothing was changed; in force: the running server, if any, keeps what it had.",
    ]


def test_whether_a_server_took_it_is_told(config, tmp_path):
    state = tmp_path / "state"
    policy = load.load(config)
    policies.save(state, policy)
    assert "in force   this configuration\n" in check(config, "--state-dir", str(state)).stdout
    policies.save(state, dataclasses.replace(policy, digest="0" * 64))
    assert "in force   another configuration" in check(config, "--state-dir", str(state)).stdout
    policies.path(state).write_bytes(b"rubbish")
    assert "in force   unknown: the compiled policy is not JSON" in check(config, "--state-dir", str(state)).stdout


def test_a_directory_that_is_not_there_is_bad_input(tmp_path):
    result = check(tmp_path / "missing")
    assert result.exit_code == 2
    assert "`filterd init DIR` makes one" in result.stderr
