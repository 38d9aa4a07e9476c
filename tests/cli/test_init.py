from pathlib import Path

import pytest
from click.testing import CliRunner

from filterd.cli import init as command
from filterd.cli.main import main
from filterd.config import load
from tests import configs

ROOT = Path(__file__).resolve().parents[2]


def init(directory: Path):
    return CliRunner().invoke(main, ["init", str(directory)])


@pytest.mark.parametrize("exists", [False, True], ids=["new", "empty"])
def test_a_new_or_empty_directory_gets_the_shipped_configuration(tmp_path, exists):
    target = tmp_path / "school"
    if exists:
        target.mkdir()
    result = init(target)
    assert result.exit_code == 0, result.stderr
    assert "policies/school.yaml" in result.stdout
    assert f"filterd check -c {target}" in result.stdout
    assert load.load_all(target).policy == load.load_all(ROOT).policy


def test_the_installed_service_and_the_commands_look_at_the_same_state(tmp_path, monkeypatch):
    monkeypatch.setattr("filterd.cli.options.INSTALLED", (tmp_path / "etc").resolve())
    assert init(tmp_path / "etc").exit_code == 0
    assert load.state_dir(tmp_path / "etc") == Path("/var/lib/filterd")
    unit = (ROOT / "systemd" / "filterd-dns.service").read_text(encoding="utf-8")
    assert f"--state-dir {load.state_dir(tmp_path / 'etc')}\n" in unit


def test_what_is_there_is_never_touched(tmp_path):
    (tmp_path / ".keep").write_text("mine")
    result = init(tmp_path)
    assert result.exit_code == 2
    assert "is not empty; init only writes into a new or an empty directory" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [".keep"]


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "x").write_text("mine")
    assert init(tmp_path / "x").exit_code == 2


def test_hidden_files_are_not_copied(tmp_path):
    source = configs.write(tmp_path / "source")
    (source / "policies" / ".names.yaml.swp").write_text("")
    command.copy(source, tmp_path / "target")
    assert not (tmp_path / "target" / "policies" / ".names.yaml.swp").exists()
    assert load.load(tmp_path / "target") == load.load(source)


def test_a_copy_that_fails_leaves_nothing_half_written(tmp_path):
    source = configs.write(tmp_path / "source")
    target = tmp_path / "target"
    for path in sorted((source / "blocklists").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (source / "blocklists").rmdir()
    with pytest.raises(OSError):
        command.copy(source, target)
    assert list(target.iterdir()) == []


def test_an_installed_package_finds_its_data(tmp_path, monkeypatch):
    configs.write(tmp_path / "share" / "filterd")
    monkeypatch.setattr(command.filterd, "__file__", str(tmp_path / "lib" / "filterd" / "__init__.py"))
    monkeypatch.setattr(command.sysconfig, "get_path", lambda name, scheme: str(tmp_path))
    assert command.shipped() == tmp_path / "share" / "filterd"
