import dataclasses
import json

import pytest

from filterd.config import load
from filterd.store import policies
from tests import configs


@pytest.fixture
def policy(tmp_path):
    return load.load(configs.write(tmp_path / "config"))


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


def test_a_policy_comes_back_as_it_was(state, policy):
    policies.save(state, policy)
    assert policies.load(state) == policy


def test_the_last_one_saved_is_in_force(state, policy):
    policies.save(state, policy)
    policies.save(state, dataclasses.replace(policy, school_code="other"))
    assert policies.load(state).school_code == "other"


def test_nothing_saved_is_no_file(state):
    with pytest.raises(FileNotFoundError):
        policies.load(state)


def test_only_the_box_s_group_can_read_it(state, policy):
    policies.save(state, policy)
    assert policies.path(state).stat().st_mode & 0o777 == 0o640
    assert policies.path(state).parent.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize("at", [0, 20, 200, 2000, -3])
def test_one_flipped_bit_is_refused(state, policy, at):
    policies.save(state, policy)
    data = bytearray(policies.path(state).read_bytes())
    data[at] ^= 1
    policies.path(state).write_bytes(data)
    with pytest.raises(ValueError):
        policies.load(state)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"7", b'{"sha256": "x", "policy": "{}"}', b"[" * 5000, b"\xff"])
def test_anything_else_is_refused(state, policy, data):
    policies.save(state, policy)
    policies.path(state).write_bytes(data)
    with pytest.raises(ValueError):
        policies.load(state)


def test_a_policy_of_another_format_is_refused(state, policy):
    policies.save(state, dataclasses.replace(policy, format=policy.format + 1))
    with pytest.raises(ValueError, match="not a compiled policy of this version"):
        policies.load(state)


def test_the_file_is_json_that_people_can_read(state, policy):
    policies.save(state, policy)
    envelope = json.loads(policies.path(state).read_text(encoding="utf-8"))
    assert "Trường Thử" in envelope["policy"]
