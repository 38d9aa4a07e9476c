"""`filterd run`: what its flags override, what it refuses, and its exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from filterd.cli.main import main
from tests import configs
from tests.running import PUPIL, Server, addresses, free_port, write_school


@pytest.fixture
def school(tmp_path: Path) -> tuple[Path, Path]:
    return write_school(tmp_path)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--listen", "127.0.0.1"), "is not ADDRESS:PORT"),
        (("--listen", "localhost:53"), "is not ADDRESS:PORT"),
        (("--metrics", "9953"), "is not ADDRESS:PORT"),
        (("--upstream", "9.9.9.9"), "'9.9.9.9' is not an upstream; write udp://9.9.9.9:53"),
        (("--upstream", "tls://dns.quad9.net"), "'tls://dns.quad9.net' holds a name; add its addresses"),
        (("--workers", "0"), "1<=x<=16"),
        (("--workers", "17"), "1<=x<=16"),
        (("--colour", "red"), "No such option"),
    ],
)
def test_a_flag_that_cannot_be_is_refused_before_anything_starts(
    school: tuple[Path, Path], flags: tuple[str, ...], says: str
) -> None:
    done = CliRunner().invoke(main, ["run", "-c", str(school[0]), "--state-dir", str(school[1]), *flags])
    assert done.exit_code == 2
    assert says in done.stderr
    assert "Traceback" not in done.output


def test_a_configuration_without_a_last_good_policy_ends_with_two_and_every_mistake(
    school: tuple[Path, Path],
) -> None:
    configs.change(school[0], "policies/classes.yaml", "tier: tieu-hoc", "tier: tieuhoc")
    configs.change(school[0], "policies/classes.yaml", "profile: exam", "profile: exm")
    server = Server(*school, ready=False)
    assert server.end() == 2
    assert "did you mean 'tieu-hoc'" in server.log
    assert "did you mean 'exam'" in server.log
    assert "Traceback" not in server.log


def test_a_directory_that_is_no_configuration_ends_with_two(tmp_path: Path) -> None:
    server = Server(tmp_path, tmp_path / "state", ready=False)
    assert server.end() == 2
    assert "has no folder policies/" in server.log


def test_an_address_that_is_taken_ends_with_two_and_its_name(school: tuple[Path, Path]) -> None:
    with Server(*school) as first:
        second = Server(*school, "--listen", f"127.0.0.1:{first.port}", ready=False)
        assert second.end() == 2
        assert f"cannot listen on 127.0.0.1:{first.port} (udp): Address already in use" in second.log
        assert "Traceback" not in second.log
        assert addresses(first.ask("adult.example")) == ["0.0.0.0"]


def test_flags_override_school_yaml(school: tuple[Path, Path]) -> None:
    with Server(*school, workers=2) as server:
        assert "127.0.0.1:5300" not in server.log
        assert f"127.0.0.1:{server.port}" in server.log
        assert len(server.workers()) == 2
        assert server.metrics()


def test_without_flags_school_yaml_says_it_all(school: tuple[Path, Path]) -> None:
    port, metrics = free_port(), free_port()
    configs.change(school[0], "policies/school.yaml", "127.0.0.1:5300", f"127.0.0.1:{port}")
    configs.change(school[0], "policies/school.yaml", "metrics: null", f"metrics: 127.0.0.1:{metrics}")
    configs.change(school[0], "policies/school.yaml", "workers: 1", "workers: 2")
    with Server(*school, bare=True) as server:
        server.port, server.metrics_port = port, metrics
        assert addresses(server.ask("adult.example", source=PUPIL)) == ["0.0.0.0"]
        assert len(server.workers()) == 2
        assert server.metrics()["filterd_table_names"] == 1


def test_sigterm_ends_with_zero(school: tuple[Path, Path]) -> None:
    server = Server(*school)
    server.stop()
    assert server.process.returncode == 0
