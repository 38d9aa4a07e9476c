"""The scripts are plain POSIX shell, and say what to do where a machine lacks something."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
SCRIPTS = [REPO / "deploy/demo.sh", REPO / "deploy/test.sh", REPO / "deploy/venv.sh", REPO / ".ci/run"]


def library(directory: Path, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run shell commands after deploy/venv.sh was read, in a folder that may be spoilt."""
    return subprocess.run(
        ["sh", "-c", f'. "{REPO}/deploy/venv.sh"; {script}'],
        capture_output=True, text=True, timeout=120, cwd=directory, env={**os.environ, **environment},
    )  # fmt: skip


def executable(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_parses(script: Path) -> None:
    shell = "bash" if script.name == "run" else "sh"
    assert subprocess.run([shell, "-n", str(script)], timeout=30).returncode == 0


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    shell = "bash" if script.name == "run" else "sh"
    command = ["shellcheck", f"--shell={shell}", "--external-sources", "--source-path=SCRIPTDIR/..", str(script)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=REPO)
    assert found.returncode == 0, found.stdout


def test_ci_script_is_executable() -> None:
    assert os.access(REPO / ".ci/run", os.X_OK)


def test_python_that_is_too_old_is_named_with_what_is_needed(tmp_path: Path) -> None:
    old = executable(tmp_path / "python-old", "#!/bin/sh\n[ $# = 1 ] || exit 1\n")
    found = library(tmp_path, "find_python", PYTHON=str(old))
    assert found.returncode == 1
    assert "Python 3.11 or newer, 64-bit" in found.stderr


def test_missing_venv_module_names_the_package_to_install(tmp_path: Path) -> None:
    bare = executable(tmp_path / "python-bare", "#!/bin/sh\nexit 1\n")
    found = library(tmp_path, f"need_venv_module {bare} no-apt")
    assert found.returncode == 1
    assert "sudo apt install python3-venv" in found.stderr


def test_installation_without_an_index_says_what_failed(tmp_path: Path) -> None:
    (tmp_path / ".venv/bin").mkdir(parents=True)
    words = "ERROR: No matching distribution found for click>=8.1"
    executable(tmp_path / ".venv/bin/python", f"#!/bin/sh\necho '{words}'; exit 1\n")
    found = library(tmp_path, "install ''")
    assert found.returncode == 1
    assert words in found.stderr
    assert "PIP_INDEX_URL" in found.stderr


def test_installation_is_not_repeated_while_setup_cfg_is_the_same(tmp_path: Path) -> None:
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / "setup.cfg").write_text("[metadata]\n", encoding="utf-8")
    steps = "find_python() { echo python; }; need_venv_module() { :; }; make_venv() { :; }"
    command = (
        f"{steps}; install() {{ echo installed; : >.venv/bin/filterd; chmod +x .venv/bin/filterd; }}; prepare '' no"
    )
    assert library(tmp_path, command).stdout == "installed\n"
    assert library(tmp_path, command).stdout == ""
    (tmp_path / "setup.cfg").write_text("[metadata]\nname = changed\n", encoding="utf-8")
    assert library(tmp_path, command).stdout == "installed\n"


def test_test_dependencies_contain_the_demos(tmp_path: Path) -> None:
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / "setup.cfg").write_text("[metadata]\n", encoding="utf-8")
    steps = "find_python() { echo python; }; need_venv_module() { :; }; make_venv() { :; }"
    command = f"{steps}; install() {{ echo installed; : >.venv/bin/filterd; chmod +x .venv/bin/filterd; }}"
    assert library(tmp_path, f"{command}; prepare '[dev]' no; prepare '' no").stdout == "installed\n"


def test_the_cause_that_pip_names_is_shown_and_not_its_closing_words(tmp_path: Path) -> None:
    said = "ERROR: No matching distribution found for setuptools>=66"
    closing = "\\n".join(f"note: line {i}" for i in range(20))
    (tmp_path / ".venv/bin").mkdir(parents=True)
    executable(tmp_path / ".venv/bin/python", f"#!/bin/sh\nprintf '%b\\n' '{said}' '{closing}'\nexit 1\n")
    found = library(tmp_path, 'install ""')
    assert found.returncode == 1
    assert said in found.stderr
    assert "note: line" not in found.stderr
    assert "PIP_INDEX_URL" in found.stderr
