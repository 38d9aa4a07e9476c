"""The units promise: port 53 without root, a hardened service that is restarted for ever, one writer a directory."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from filterd.core.asker import ATTEMPTS
from filterd.core.policy import Limits
from tests.systemd.units import ENCRYPTED_CONF, ENCRYPTED_SOCKET, SERVICE, SOCKET, SYSTEMD, value, values

WORST_SCORE = 15  # tenths
AUTO_WORKERS = 4  # `workers: auto` is at most this


def tool(name: str) -> str:
    """The path of a tool, or the test is skipped."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_service_is_exposed_at_most_1_5_of_10() -> None:
    _check_exposure(SERVICE)


def test_credentials_expose_it_no_more(tmp_path: Path) -> None:
    both = tmp_path / SERVICE.name
    drop_in = ENCRYPTED_CONF.read_text(encoding="utf-8").replace("[Service]", "")
    service = SERVICE.read_text(encoding="utf-8")
    both.write_text(service.replace("[Install]", drop_in + "\n[Install]"), encoding="utf-8")
    _check_exposure(both)


def _check_exposure(unit: Path) -> None:
    command = [tool("systemd-analyze"), "security", "--offline=true", f"--threshold={WORST_SCORE}", str(unit)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stdout + found.stderr


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    analyze = tool("systemd-analyze")
    shutil.copy(SOCKET, tmp_path)
    shutil.copy(ENCRYPTED_SOCKET, tmp_path)
    drop_ins = tmp_path / f"{SERVICE.name}.d"
    drop_ins.mkdir()
    shutil.copy(ENCRYPTED_CONF, drop_ins / "encrypted.conf")
    text = SERVICE.read_text(encoding="utf-8").replace("/opt/filterd/venv/bin/python", sys.executable)
    (tmp_path / SERVICE.name).write_text(text, encoding="utf-8")
    command = [analyze, "verify", "--man=no", SOCKET.name, ENCRYPTED_SOCKET.name, SERVICE.name]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert SERVICE.stem not in found.stderr
    assert ENCRYPTED_SOCKET.stem not in found.stderr


@pytest.mark.parametrize("key", ["CapabilityBoundingSet", "AmbientCapabilities"])
def test_service_has_no_capability(key: str) -> None:
    assert value(SERVICE, key) == ""


def test_service_runs_as_its_own_static_user() -> None:
    assert value(SERVICE, "User") == "filterd-dns"
    assert value(SERVICE, "Group") == "filterd"
    assert not values(SERVICE, "DynamicUser")


@pytest.mark.parametrize("key", ["ExecStart", "ExecReload"])
def test_no_command_of_the_service_runs_with_full_privileges(key: str) -> None:
    assert value(SERVICE, key).startswith("/")  # systemd's prefixes "+" and "!" would


def test_service_is_restarted_without_limit() -> None:
    assert value(SERVICE, "Restart") == "always"
    assert value(SERVICE, "StartLimitIntervalSec") == "0"
    assert value(SOCKET, "TriggerLimitIntervalSec") == "0"


def test_service_is_watched() -> None:
    assert value(SERVICE, "Type") == "notify"
    assert int(value(SERVICE, "WatchdogSec")) > 0


def test_upstreams_may_be_anywhere() -> None:
    assert not values(SERVICE, "IPAddressDeny")


def test_connections_that_the_limits_allow_fit_into_the_open_files() -> None:
    limits = Limits()
    assert int(value(SERVICE, "LimitNOFILE")) >= ATTEMPTS * limits.pending + limits.tcp_connections


def test_memory_limit_has_room_for_all_workers_a_parent_and_two_tables() -> None:
    workers_mb, parent_mb, tables_mb = AUTO_WORKERS * 80, 100, 2 * 40
    assert int(value(SERVICE, "MemoryHigh").removesuffix("M")) >= workers_mb + parent_mb + tables_mb
    assert int(value(SERVICE, "MemoryMax").removesuffix("M")) > int(value(SERVICE, "MemoryHigh").removesuffix("M"))


@pytest.mark.parametrize("kind", ["ListenDatagram", "ListenStream"])
@pytest.mark.parametrize("address", ["0.0.0.0:53", "[::]:53"])
def test_every_worker_gets_a_socket_of_each_address(kind: str, address: str) -> None:
    assert values(SOCKET, kind).count(address) == AUTO_WORKERS
    assert value(SOCKET, "ReusePort") == "yes"
    assert value(SOCKET, "BindIPv6Only") == "ipv6-only"


@pytest.mark.parametrize("address", ["0.0.0.0:853", "[::]:853", "0.0.0.0:443", "[::]:443"])
def test_every_worker_gets_an_encrypted_socket_of_each_address(address: str) -> None:
    assert values(ENCRYPTED_SOCKET, "ListenStream").count(address) == AUTO_WORKERS
    assert value(ENCRYPTED_SOCKET, "Service") == SERVICE.name


@pytest.mark.parametrize(
    "key", ["ReusePort", "BindIPv6Only", "FreeBind", "NoDelay", "Backlog", "TriggerLimitIntervalSec"]
)
def test_encrypted_sockets_are_like_the_others(key: str) -> None:
    assert value(ENCRYPTED_SOCKET, key) == value(SOCKET, key)


def test_a_missing_certificate_does_not_stop_plain_dns() -> None:
    loaded = {line.partition(":")[0] for line in values(ENCRYPTED_CONF, "LoadCredential")}
    assert (
        loaded == {"dns.pem", "dns.key"} == {line.partition(":")[0] for line in values(ENCRYPTED_CONF, "SetCredential")}
    )


def test_service_may_write_only_the_directory_it_is_the_writer_of() -> None:
    assert value(SERVICE, "ProtectSystem") == "strict"
    assert value(SERVICE, "StateDirectory") == "filterd/dns"
    assert value(SERVICE, "StateDirectoryMode") == "0750"
    assert not values(SERVICE, "ReadWritePaths")


def test_virtual_environment_may_be_executed() -> None:
    assert value(SERVICE, "NoExecPaths") == "/"
    environment = Path(value(SERVICE, "ExecStart").split()[0]).parents[1]
    assert str(environment) in value(SERVICE, "ExecPaths").split()


def test_users_and_directories_are_made_by_systemd_itself(tmp_path: Path) -> None:
    sysusers, tmpfiles = tool("systemd-sysusers"), tool("systemd-tmpfiles")
    (tmp_path / "etc").mkdir()
    users = SYSTEMD / "filterd.sysusers.conf"
    found = subprocess.run([sysusers, f"--root={tmp_path}", str(users)], capture_output=True, text=True, timeout=30)
    if found.returncode != 0 and "Operation not permitted" in found.stderr:
        pytest.skip("only root may write a passwd file for systemd-sysusers")
    assert found.returncode == 0, found.stderr
    names = (tmp_path / "etc/passwd").read_text().splitlines()
    assert {line.split(":")[0] for line in names} == {"filterd-dns", "filterd-update"}
    checked = subprocess.run(
        [tmpfiles, f"--root={tmp_path}", "--create", "--dry-run", str(SYSTEMD / "filterd.tmpfiles.conf")],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    if "unrecognized option" in checked.stderr:  # before systemd 256: create them for real
        created = [tmpfiles, f"--root={tmp_path}", "--create", str(SYSTEMD / "filterd.tmpfiles.conf")]
        checked = subprocess.run(created, capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0 or "not permitted" in checked.stderr, checked.stderr


def test_each_directory_has_one_writer_and_mode_0750() -> None:
    text = (SYSTEMD / "filterd.tmpfiles.conf").read_text(encoding="utf-8")
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    assert [row[1] for row in rows].count("/var/lib/filterd/dns") == 1
    assert {(row[2], row[4]) for row in rows} == {("0750", "filterd")}
    assert {row[1]: row[3] for row in rows}["/var/lib/filterd/dns"] == value(SERVICE, "User")
