"""Where the state directory is."""

from __future__ import annotations

from pathlib import Path

from filterd.cli.state import state_directory
from tests import configs


def test_the_flag_wins_and_needs_no_configuration(tmp_path: Path) -> None:
    assert state_directory(tmp_path / "nothing", Path("/var/lib/filterd")) == Path("/var/lib/filterd")


def test_school_yaml_says_it_relative_to_the_configuration(tmp_path: Path) -> None:
    configs.write(tmp_path, school=configs.FILES["policies/school.yaml"] + "state_dir: state/here\n")
    assert state_directory(tmp_path, None) == tmp_path / "state/here"


def test_an_absolute_path_stays_what_it_is(tmp_path: Path) -> None:
    configs.write(tmp_path, school=configs.FILES["policies/school.yaml"] + f"state_dir: {tmp_path}/elsewhere\n")
    assert state_directory(tmp_path / "config", None) != tmp_path / "elsewhere"
    assert state_directory(tmp_path, None) == tmp_path / "elsewhere"
