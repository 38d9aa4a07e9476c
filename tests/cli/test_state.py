"""Where the state directory is, and who writes there."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from filterd.cli.state import must_be_readable, started_by, state_directory
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


SERVICE = 12_345
AS_OWNER = """
import os, pathlib, sys
from filterd.cli.state import act_as_owner

act_as_owner(pathlib.Path(sys.argv[1]))
print(os.getresuid(), os.getresgid(), os.getgroups())
try:
    os.setresuid(0, 0, 0)
    print("root again")
except PermissionError:
    pass
"""


def acted(state: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", AS_OWNER, str(state)], capture_output=True, text=True, check=True)


def owned(path: Path, uid: int = SERVICE) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, uid, uid)
    return path


def by_link_of_the_service(state: Path) -> None:
    (state / "lists").symlink_to("/etc")
    os.lchown(state / "lists", SERVICE, SERVICE)


def by_link_of_root(state: Path) -> None:
    (state / "lists").symlink_to(owned(state.parent / "big disk"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    "lay",
    [
        pytest.param(lambda state: owned(state / "lists"), id="the lists are the service's"),
        pytest.param(lambda state: owned(state), id="no lists yet, the folder is the service's"),
        pytest.param(lambda state: (owned(state) / "lists").mkdir(), id="root made the lists in the service's folder"),
        pytest.param(by_link_of_the_service, id="the service laid a link to what is root's"),
        pytest.param(by_link_of_root, id="root laid a link to what is the service's"),
    ],
)
def test_root_becomes_the_owner_of_the_lists_for_good(tmp_path: Path, lay: Callable[[Path], object]) -> None:
    state = tmp_path / "state"
    state.mkdir()
    lay(state)
    done = acted(state)
    assert done.stdout == f"({SERVICE}, {SERVICE}, {SERVICE}) ({SERVICE}, {SERVICE}, {SERVICE}) [{SERVICE}]\n"
    assert done.stderr == f"filterd: acting as {SERVICE}, whose {state} is\n"


@pytest.mark.parametrize("made", ["nothing", "state", "lists"])
def test_whoever_owns_the_lists_stays_who_they_are(tmp_path: Path, made: str) -> None:
    if made != "nothing":
        (tmp_path / "state/lists" if made == "lists" else tmp_path / "state").mkdir(parents=True)
    done = acted(tmp_path / "state")
    assert done.stdout.startswith(f"{os.getresuid()} {os.getresgid()}")
    assert done.stderr == ""


@pytest.mark.parametrize("part", ["", "lists", "tables"])
def test_what_somebody_else_may_read_is_not_taken_for_empty(tmp_path: Path, part: str) -> None:
    must_be_readable(tmp_path / "not-there")
    must_be_readable(tmp_path)
    command = (
        "import os, pathlib, sys; from filterd.cli.state import must_be_readable; os.setresuid(12345, 12345, 12345);"
        "must_be_readable(pathlib.Path(sys.argv[1]))"
    )
    if os.geteuid() != 0:
        pytest.skip("root may read everything, and only root becomes somebody else")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o755)
    (closed / part).mkdir(exist_ok=True)
    (closed / part).chmod(0o700)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o055 != 0o055:
            folder.chmod(folder.stat().st_mode | 0o055)
    done = subprocess.run([sys.executable, "-c", command, str(closed)], capture_output=True, text=True, timeout=60)
    assert "PermissionError" in done.stderr


OF_A_FOLDER = AS_OWNER.replace("sys.argv[1]))", "sys.argv[1]), 'accounts')")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("made", ["state/lists", "state/accounts"])
def test_root_becomes_the_owner_of_the_folder_that_is_written(tmp_path: Path, made: str) -> None:
    (tmp_path / "state").mkdir()
    owned(tmp_path / made)
    command = [sys.executable, "-c", OF_A_FOLDER, str(tmp_path / "state")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    uid = SERVICE if made == "state/accounts" else 0
    assert done.stdout.startswith(f"({uid}, {uid}, {uid})")


def test_whoever_starts_a_command_is_named_as_the_system_knows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    user = started_by()
    assert user == pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setenv("SUDO_USER", "lan")
    assert started_by() == ("lan (sudo)" if os.getuid() == 0 else user)
    monkeypatch.setenv("SUDO_USER", "a\nb")
    assert started_by() == user
