"""`filterd keys`: what people see and type, and where no private key may be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from filterd.cli.main import main
from filterd.store import keys as store
from tests import configs


@pytest.fixture
def config(tmp_path: Path) -> Path:
    configs.write(tmp_path / "config")
    return tmp_path / "config"


@pytest.fixture
def safe(tmp_path: Path) -> Path:
    (tmp_path / "safe").mkdir()
    return tmp_path / "safe"


def run(config: Path, *words: str | Path, code: int = 0) -> Result:
    arguments = ["keys", *map(str, words), "-c", str(config), "--state-dir", str(config.parent / "state")]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_a_pair_is_made_where_its_owner_says(config: Path, safe: Path) -> None:
    output = run(config, "new", "district", "--out", safe).output
    assert sorted(path.name for path in safe.iterdir()) == ["district.key", "district.pub"]
    key = store.load_public(safe / "district.pub")
    assert f"id           {key.id}" in output
    assert re.sub(r"\s", "", output.partition("fingerprint")[2]).startswith(key.fingerprint)
    assert "PRIVATE" not in output


def test_what_is_trusted_is_listed_until_its_file_is_removed(config: Path, safe: Path) -> None:
    run(config, "new", "district", "--out", safe)
    assert "no key that is trusted" in run(config, "list").output
    output = run(config, "trust", safe / "district.pub").output
    assert "trusted: " in output
    assert "read this fingerprint to you" in output
    key = store.load_public(safe / "district.pub")
    assert run(config, "list").output == f"{key.id}  district\n"
    assert "trusted already: " in run(config, "trust", safe / "district.pub").output
    (config / "keys/district.pub").unlink()
    assert "no key that is trusted" in run(config, "list").output


def test_a_key_may_be_called_something_else_here(config: Path, safe: Path) -> None:
    run(config, "new", "district", "--out", safe)
    run(config, "trust", safe / "district.pub", "--name", "so-giao-duc")
    assert (config / "keys/so-giao-duc.pub").exists()
    assert "so-giao-duc" in run(config, "list").output


def test_a_key_is_shown_by_its_name_and_by_its_file(config: Path, safe: Path) -> None:
    run(config, "new", "district", "--out", safe)
    by_file = run(config, "show", safe / "district.pub").output
    run(config, "trust", safe / "district.pub")
    assert run(config, "show", "district").output == by_file
    assert (safe / "district.pub").read_text() in by_file


@pytest.mark.parametrize("place", ["config/keys", "config/policies", "config/blocklists", "state", "state/lists"])
def test_no_private_key_is_made_where_others_copy_files_from(config: Path, place: str) -> None:
    folder = config.parent / place
    folder.mkdir(parents=True, exist_ok=True)
    before = sorted(folder.iterdir())
    result = run(config, "new", "district", "--out", folder, code=2)
    assert "a private key does not belong there" in result.output
    assert sorted(folder.iterdir()) == before


def test_a_private_key_is_neither_trusted_nor_shown(config: Path, safe: Path) -> None:
    run(config, "new", "district", "--out", safe)
    for command in ("trust", "show"):
        result = run(config, command, safe / "district.key", code=2)
        assert "is a PRIVATE key" in result.output
        assert (safe / "district.key").read_text().splitlines()[1] not in result.output
    assert not list((config / "keys").glob("*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(("new", "../up", "--out", "."), "is no name for a key", id="a path for a name"),
        pytest.param(("show", "distirct"), "those are: none", id="a name nobody has"),
        pytest.param(("trust", "nothing.pub"), "cannot be read: No such file", id="a file that is not there"),
        pytest.param(("new", "a", "--out", "nowhere"), "does not exist", id="a folder that is not there"),
    ],
)
def test_a_mistake_is_said(config: Path, words: tuple[str, ...], said: str) -> None:
    assert said in run(config, *words, code=2).output


def test_a_key_that_must_not_be_used_is_loud(config: Path, safe: Path) -> None:
    run(config, "new", "district", "--out", safe)
    run(config, "trust", safe / "district.pub")
    (config / "keys/district.pub").chmod(0o666)
    result = run(config, "list", code=1)
    assert "NOT USED: district.pub" in result.stderr
    assert "mode 0666: others may change it" in result.stderr
