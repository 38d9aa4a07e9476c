"""The compiled wheel: the same sources, the same answers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.running import free_port

REPO = Path(__file__).parents[2]
PARTS = ("deploy", "policies", "blocklists", "filterd", "pyproject.toml", "setup.cfg", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel."""
    if shutil.which("gcc") is None or not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        pytest.skip("no C compiler or no Python.h (gcc python3-dev)")
    root = tmp_path_factory.mktemp("compiled")
    source = root / "source"
    source.mkdir()
    for name in PARTS:
        copy = shutil.copytree if (REPO / name).is_dir() else shutil.copy
        copy(REPO / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(root), str(source)]
    built = subprocess.run(command, env=os.environ | {"FILTERD_COMPILED": "1"}, capture_output=True, text=True)
    if "No matching distribution" in built.stderr or "Could not find a version" in built.stderr:
        pytest.skip("pip reaches no index")
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(next(root.glob("*.whl"))) as archive:
        archive.extractall(root / "unpacked")
    return root / "unpacked"


def test_the_modules_it_names_are_compiled_and_their_sources_are_there(wheel: Path) -> None:
    from deploy.backend import MODULES

    for module in MODULES:
        path = wheel / module
        assert path.exists()
        assert list(path.parent.glob(f"{path.stem}.*.so")), f"{module} was not compiled"


def test_it_answers_the_questions_of_the_demo(wheel: Path, tmp_path: Path) -> None:
    for name in ("policies", "blocklists", "deploy"):
        shutil.copytree(REPO / name, tmp_path / name)
    environment = os.environ | {"PYTHONPATH": str(wheel)}
    build = [sys.executable, "-m", "filterd", "lists", "build", "-c", ".", "--state-dir", "var"]
    subprocess.run(build, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=60)
    which = [sys.executable, "-c", "import filterd.core.forwarder as module; print(module.__file__)"]
    assert subprocess.run(
        which, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    ).stdout.endswith(".so\n")
    places = [f"--listen=127.0.0.1:{free_port()}", f"--metrics=127.0.0.1:{free_port()}"]
    check = [sys.executable, "-m", "deploy.demo", "--check", "--upstream", "udp://127.0.0.1:9", *places]
    done = subprocess.run(check, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
