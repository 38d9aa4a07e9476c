"""`filterd explain` and the server never disagree: the same names, classes and moments, asked of both."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from dnslib import DNSRecord

from filterd.cli.main import main
from tests.running import (
    EXAM,
    OUTSIDE,
    PUPIL,
    SEVENTH,
    STAFF,
    STRANGER,
    Server,
    addresses,
    replace,
    until,
    write_school,
)
from tests.upstreams import ADDRESS, ADDRESS6, Upstream

NAMES = [
    "adult.example", "www.adult.example", "youtube.com", "www.youtube.com", "youtu.be", "olm.vn", "lop.olm.vn",
    "moet.gov.vn", "www.moet.gov.vn", "time.example.vn", "x.time.example.vn", "tongdai111.vn", "tro-choi.example",
    "vi-du.edu.vn", "thi.example.vn", "example.org", "adult.example.org", "localhost", "printer.local", "x.onion",
    "use-application-dns.net", "1.0.168.192.in-addr.arpa", "resolver.arpa", "Adult.Example", "toggled.example",
]  # fmt: skip
SOURCES = [PUPIL, SEVENTH, EXAM, STAFF, STRANGER]


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    config, state = write_school(tmp_path_factory.mktemp("explain"))
    override = {"place": "7-3", "until": int(time.time()) + 3600, "block": {"names": ["toggled.example"]}}
    replace(state / "overrides.json", json.dumps({"items": [override], "sequence": 1}).encode())
    return config, state


@pytest.fixture(scope="module")
def server(school: tuple[Path, Path]) -> Iterator[Server]:
    with Upstream() as upstream, Server(*school, upstreams=(upstream.url,)) as found:
        yield found


def explained(school: tuple[Path, Path], name: str, source: str, kind: str) -> tuple[dict[str, Any], int]:
    where = ["-c", str(school[0]), "--state-dir", str(school[1])]
    done = CliRunner().invoke(main, ["explain", name, *where, "--client", source, "--type", kind, "--json"])
    return json.loads(done.stdout), done.exit_code


def as_answer(reply: DNSRecord) -> str:
    """A reply in the words of `explain`."""
    if reply.header.rcode == 5:
        return "REFUSED"
    if addresses(reply) in ([ADDRESS], [ADDRESS6]):
        return "the upstream's"
    if reply.header.rcode == 3:
        return "NXDOMAIN"
    return addresses(reply)[0] if addresses(reply) else "no data"


@pytest.mark.parametrize("source", SOURCES)
def test_action_and_answer_are_the_same_for_every_name(server: Server, school: tuple[Path, Path], source: str) -> None:
    for name in NAMES:
        said, code = explained(school, name, source, "A")
        reply = server.ask(name, source=source)
        assert as_answer(reply) == said["answer"], (name, said)
        assert code == (1 if said["action"] == "block" else 0)
        if said["action"] == "block":
            assert (reply.rr or reply.auth)[0].ttl == said["ttl"], name
        elif addresses(reply) == [ADDRESS]:
            assert reply.rr[0].ttl <= said["ttl"], name


@pytest.mark.parametrize("kind", ["AAAA", "HTTPS", "MX"])
def test_other_types_too(server: Server, school: tuple[Path, Path], kind: str) -> None:
    for name in ("adult.example", "tro-choi.example"):
        said, _ = explained(school, name, PUPIL, kind)
        assert as_answer(server.ask(name, kind)) == said["answer"]


def test_an_override_is_named_by_both(server: Server, school: tuple[Path, Path]) -> None:
    said, code = explained(school, "toggled.example", SEVENTH, "A")
    assert (said["action"], said["reason"], code) == ("block", "override", 1)
    until(lambda: addresses(server.ask("toggled.example", source=SEVENTH)) == ["0.0.0.0"], "the server agrees")


def test_an_address_outside_the_networks_is_silence(server: Server, school: tuple[Path, Path]) -> None:
    said, code = explained(school, "example.org", OUTSIDE, "A")
    assert said["answer"].startswith("silence")
    assert code == 1
    with pytest.raises(TimeoutError):
        server.ask("example.org", source=OUTSIDE, within_s=0.3)
