from pathlib import Path

from filterd.cli import options


def test_installed_configuration_comes_first(tmp_path):
    assert options.default_config_dir(tmp_path) == tmp_path
    assert options.default_config_dir(tmp_path / "missing") == Path()
