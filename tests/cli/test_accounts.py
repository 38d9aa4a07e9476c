"""What the commands about accounts share: days of a school, and root that never follows what the service can write."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from filterd.cli import accounts
from filterd.store import accounts as store
from tests import configs, schools

NOW = 1_795_500_000  # 2026-11-24 12:40 at UTC+7
SERVICE = 12_345


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [(None, 1_795_453_200, 1_795_539_600), ("2026-11-24", 1_795_453_200, 1_795_539_600),
     ("2026-12-01", 1_796_058_000, 1_796_144_400)],
    ids=["today", "a day by name", "a day to come"],
)  # fmt: skip
def test_a_day_is_one_of_the_school(text: str | None, since: int, until: int) -> None:
    assert accounts.day_of(schools.POLICY, text, NOW) == (since, until)


@pytest.mark.parametrize("text", ["today", "2026-13-01", "1.12.2026", "1999-01-01"])
def test_what_is_no_day_is_said(text: str) -> None:
    with pytest.raises(click.BadParameter):
        accounts.day_of(schools.POLICY, text, NOW)


def as_root(config: Path, state: Path) -> subprocess.CompletedProcess[str]:
    words = ["account", "add", "an", "--name", "An", "-c", str(config), "--state-dir", str(state)]
    return subprocess.run([sys.executable, "-m", "filterd", *words], capture_output=True, text=True, check=False)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A folder that another user reaches; pytest's own are closed."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def owned(path: Path) -> Path:
    path.mkdir(parents=True)
    os.chown(path, SERVICE, SERVICE)
    return path


@needs_root
def test_root_writes_accounts_as_their_owner(open_path: Path) -> None:
    configs.write(open_path / "config")
    state = owned(open_path / "state")
    owned(state / "overrides")
    done = as_root(open_path / "config", state)
    assert done.returncode == 0, done.stderr
    assert f"acting as {SERVICE}" in done.stderr
    found = store.path(state).stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (SERVICE, SERVICE, 0o600)
    assert all(file.stat().st_uid == SERVICE for file in state.rglob("*"))


@needs_root
@pytest.mark.parametrize("name", ["accounts", "overrides"])
def test_root_follows_no_link_that_the_service_laid(open_path: Path, name: str) -> None:
    configs.write(open_path / "config")
    state = owned(open_path / "state")
    target = open_path / "roots"
    target.mkdir(mode=0o700)
    (state / name).symlink_to(target)
    os.lchown(state / name, SERVICE, SERVICE)
    done = as_root(open_path / "config", state)
    assert done.returncode == 2, done.stdout
    assert list(target.iterdir()) == []
