"""What each class is told, over every transport, by a running server."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest
from dnslib import QTYPE

from tests.running import (
    EXAM,
    OUTSIDE,
    PUPIL,
    SEVENTH,
    STAFF,
    STRANGER,
    Server,
    addresses,
    ede_of,
    free_port,
    has_ipv6,
    write_school,
)
from tests.upstreams import ADDRESS, ADDRESS6, Upstream

BLOCKED = ["0.0.0.0"]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as found:
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Server]:
    config, state = write_school(tmp_path_factory.mktemp("answers"))
    with Server(config, state, upstreams=(upstream.url,), workers=2, ipv6=has_ipv6()) as found:
        yield found


CASES = [
    pytest.param(PUPIL, "adult.example", BLOCKED, 15, id="a list blocks for the youngest"),
    pytest.param(PUPIL, "www.adult.example", BLOCKED, 15, id="and what is below"),
    pytest.param(STAFF, "adult.example", BLOCKED, 15, id="and for staff"),
    pytest.param(PUPIL, "youtube.com", BLOCKED, 15, id="streaming is closed in primary school"),
    pytest.param(SEVENTH, "youtube.com", [ADDRESS], None, id="profile video opens it"),
    pytest.param(STAFF, "youtube.com", [ADDRESS], None, id="staff may"),
    pytest.param(STRANGER, "youtube.com", BLOCKED, 15, id="a device in no class is treated as the youngest"),
    pytest.param(STAFF, "tro-choi.example", BLOCKED, 15, id="the school's own block is for all"),
    pytest.param(SEVENTH, "vi-du.edu.vn", [ADDRESS], None, id="the school's own allow"),
    pytest.param(EXAM, "vi-du.edu.vn", BLOCKED, 15, id="an exam opens its list only"),
    pytest.param(EXAM, "olm.vn", [ADDRESS], None, id="an exam opens its list"),
    pytest.param(EXAM, "moet.gov.vn", [ADDRESS], None, id="must-allow is open in exams"),
    pytest.param(EXAM, "tongdai111.vn", [ADDRESS], None, id="the helpline is open in exams"),
    pytest.param(PUPIL, "example.org", [ADDRESS], None, id="the rest is allowed"),
]


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize(("source", "name", "expected", "ede"), CASES)
def test_each_class_gets_its_own_answer(
    server: Server, source: str, name: str, expected: list[str], ede: int | None, tcp: bool
) -> None:
    reply = server.ask(name, source=source, tcp=tcp)
    assert addresses(reply) == expected
    assert ede_of(reply) == ede
    assert reply.header.ra == 1
    if ede:
        assert reply.rr[0].ttl == 10


@pytest.mark.skipif(not has_ipv6(), reason="::1 is not there")
@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_a_class_is_known_by_its_ipv6_subnet_too(server: Server, tcp: bool) -> None:
    assert addresses(server.ask("youtube.com", source="::1", tcp=tcp)) == [ADDRESS]
    assert addresses(server.ask("adult.example", source="::1", tcp=tcp)) == BLOCKED
    assert addresses(server.ask("example.org", "AAAA", source="::1", tcp=tcp)) == [ADDRESS6]


def test_a_blocked_name_has_no_address_of_the_other_kind_and_no_hints(server: Server) -> None:
    assert addresses(server.ask("adult.example", "AAAA")) == ["::"]
    hints = server.ask("adult.example", "HTTPS")
    assert not hints.rr
    assert [record.rtype for record in hints.auth] == [QTYPE.SOA]


def test_a_client_without_edns_gets_no_opt(server: Server) -> None:
    reply = server.ask("adult.example", edns=False)
    assert addresses(reply) == BLOCKED
    assert not reply.ar


def test_the_same_question_again_is_answered_from_the_memo(server: Server) -> None:
    replies = [server.ask("adult.example", source=PUPIL) for _ in range(3)]
    assert len({str(reply.rr) for reply in replies}) == 1


def test_a_device_outside_the_networks_hears_nothing(server: Server) -> None:
    with pytest.raises(TimeoutError):
        server.ask("example.org", source=OUTSIDE, within_s=0.5)
    with server.connect(OUTSIDE) as sock:
        assert sock.recv(1) == b"" or pytest.fail("an answer")


def test_a_socket_on_all_addresses_answers_from_the_one_that_was_asked(
    tmp_path_factory: pytest.TempPathFactory, upstream: Upstream
) -> None:
    config, state = write_school(tmp_path_factory.mktemp("wildcard"))
    port = free_port("0.0.0.0")
    flags = ("--listen", f"0.0.0.0:{port}", *(("--listen", f"[::]:{port}") if has_ipv6() else ()))
    with Server(config, state, *flags, upstreams=(upstream.url,)) as wide:
        wide.port = wide.port6 = port
        for asked in ("127.0.0.1", "127.0.0.9", "127.0.31.1", *(["::1"] if has_ipv6() else [])):
            for name in ("adult.example", "adult.example", f"late-{asked.replace(':', '-')}.example.org"):
                # A connected socket hears only who it is connected to.
                reply = wide.ask(name, source="::1" if ":" in asked else PUPIL, to=asked)
                assert addresses(reply) == (BLOCKED if name == "adult.example" else [ADDRESS])


def test_a_policy_that_refuses_unknown_devices_refuses(tmp_path_factory: pytest.TempPathFactory) -> None:
    config, state = write_school(tmp_path_factory.mktemp("refuse"))
    path = config / "policies/school.yaml"
    path.write_text(path.read_text().replace("{tier: tieu-hoc}", "refuse"))
    with Server(config, state) as strict:
        reply = strict.ask("adult.example", source=STRANGER)
        assert reply.header.rcode == 5
        assert ede_of(reply) == 18
        assert addresses(strict.ask("adult.example", source=PUPIL)) == BLOCKED


@pytest.mark.parametrize("tool", ["dig", "kdig"])
@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_the_usual_tools_understand_the_answers(server: Server, tool: str, tcp: bool) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    command = [tool, "@127.0.0.1", "-p", str(server.port), "-b", PUPIL, "adult.example", *(["+tcp"] if tcp else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert "0.0.0.0" in done.stdout, done.stdout + done.stderr
    assert "alformed" not in done.stdout
    assert "status: NOERROR" in done.stdout
