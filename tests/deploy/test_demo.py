"""The demo school as a technician meets it: one command, from this checkout and from a clean clone."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.demo import guide, taken
from tests.running import addresses, free_port, question, until

REPO = Path(__file__).parents[2]
DEAD_UPSTREAM = "udp://127.0.0.1:9"
FAST_S = 30.0  # a hung check must fail; how fast it is on an idle machine is not for a test


def places() -> list[str]:
    """Addresses of its own, so that a demo which is up stays undisturbed."""
    return [f"--listen=127.0.0.1:{free_port()}", f"--metrics=127.0.0.1:{free_port()}"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the demo uses, without anybody's var/, with compiled lists."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("deploy", "policies", "blocklists", "filterd"):
        shutil.copytree(REPO / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "filterd", "lists", "build", "-c", ".", "--state-dir", "var"]
    subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=60)
    return root


def demo(checkout: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.demo", *options]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=60)


def test_check_passes_without_an_uplink_and_says_so(checkout: Path) -> None:
    started = time.monotonic()
    found = demo(checkout, "--check", "--upstream", DEAD_UPSTREAM, *places())
    assert found.returncode == 0, found.stdout + found.stderr
    assert "No uplink:" in found.stdout
    assert "All 26 as expected." in found.stdout
    assert time.monotonic() - started < FAST_S


def test_check_fails_when_a_class_gets_what_it_should_not(checkout: Path, tmp_path: Path) -> None:
    root = shutil.copytree(checkout, tmp_path / "open")
    names = root / "policies/names.yaml"
    text = names.read_text(encoding="utf-8")
    assert text.count("\nallow: []") == 1
    names.write_text(text.replace("\nallow: []", "\nallow: [youtube.com]"), encoding="utf-8")
    found = demo(root, "--check", "--upstream", DEAD_UPSTREAM, *places())
    assert found.returncode == 1
    assert "! 3A    youtube.com" in found.stdout


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_demo_serves_until_it_is_told_to_end_and_leaves_nothing_behind(checkout: Path, ending: signal.Signals) -> None:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "deploy.demo",
        "--upstream",
        DEAD_UPSTREAM,
        f"--listen=127.0.0.1:{port}",
        *places()[1:],
    ]
    process = subprocess.Popen(
        command, cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        assert any(line.startswith("  dig -b 127.0.31.7") for line in lines), lines
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.bind(("127.0.31.9", 0))
            sock.connect(("127.0.0.1", port))
            sock.send(question("youtube.com").pack())
            assert addresses(question("youtube.com").parse(sock.recv(4096))) == ["0.0.0.0"]
        asked = demo(checkout, "--check", *command[3:])  # as the README says: in another window
        assert asked.returncode == 0, asked.stdout + asked.stderr
        assert "All 26 as expected." in asked.stdout
        # A terminal sends Ctrl-C to everything in the foreground; SIGTERM comes to the demo alone.
        if ending is signal.SIGINT:
            os.killpg(process.pid, ending)
        else:
            process.send_signal(ending)
        process.communicate(timeout=20)
        assert process.returncode == 0
        until(lambda: taken(socket.SOCK_DGRAM, "127.0.0.1", port) is None, "the port is free again")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["udp", "tcp"])
def test_port_in_use_is_a_clear_error(checkout: Path, kind: socket.SocketKind) -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, kind) as other:
        # A second filter of the same user could join this one without an error.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", port))
        if kind == socket.SOCK_STREAM:
            other.listen(1)
        found = demo(checkout, "--check", f"--listen=127.0.0.1:{port}", *places()[1:])
    assert found.returncode == 2
    assert f"Cannot use 127.0.0.1 port {port}" in found.stderr


def test_guide_fits_80_columns_and_speaks_for_every_class() -> None:
    text = guide(("127.0.0.1", 5300), "127.0.0.1:9953")
    assert max(map(len, text.splitlines())) <= 80
    for source in ("127.0.31.7", "127.0.71.7", "127.0.111.7", "127.0.200.7"):
        assert f"dig -b {source} @127.0.0.1 -p 5300" in text


def test_one_command_on_a_clean_clone_installs_compiles_and_checks(tmp_path: Path) -> None:
    if shutil.which("git") is None or not (REPO / ".git").exists():
        pytest.skip("not a git checkout")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(REPO), str(clone)], check=True, timeout=60)
    # Slow links are for people; a test that cannot reach an index should say so soon.
    environment = {**os.environ, "PIP_RETRIES": "1", "PIP_DEFAULT_TIMEOUT": "15"}
    command = ["sh", "deploy/demo.sh", "--check", *places()]
    first = subprocess.run(command, cwd=clone, capture_output=True, text=True, timeout=300, env=environment)
    if first.returncode == 1 and "pip could not install" in first.stderr:
        pytest.skip("pip cannot reach a package index from here")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "All 26 as expected." in first.stdout
    again = subprocess.run(command, cwd=clone, capture_output=True, text=True, timeout=60, env=environment)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Installing" not in again.stderr
