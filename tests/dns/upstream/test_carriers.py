"""Who carries what: every transport side by side, and other servers put in their place."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from filterd.core import policy
from tests import schools
from tests.certificates import Authority
from tests.dns.parts import Parts, run, until
from tests.dns.upstream.asking import answered
from tests.peers import Peer, answering
from tests.running import free_port
from tests.upstreams import ADDRESS, Upstream

CONFIGURATION = """
addLocal("127.0.0.1:{plain}", {{maxInFlight=100}})
addTLSLocal("127.0.0.1:{tls}", "{certificate}", "{key}", {{maxInFlight=100}})
addDOHLocal("127.0.0.1:{https}", "{certificate}", "{key}", "/dns-query")
setACL({{"127.0.0.0/8"}})
setSecurityPollSuffix("")
addAction(AllRule(), SpoofAction({{"{address}"}}, {{ttl=60}}))
"""


@contextmanager
def dnsdist(directory: Path) -> Iterator[dict[str, policy.Upstream]]:
    """dnsdist of the system, as an upstream of every transport."""
    if shutil.which("dnsdist") is None:
        pytest.skip("dnsdist is not installed")
    authority = Authority(directory)
    ports = {name: free_port() for name in ("plain", "tls", "https")}
    files = {"certificate": authority.certificate, "key": authority.key}
    path = directory / "dnsdist.conf"
    path.write_text(CONFIGURATION.format(**ports, **files, address=ADDRESS))
    command = ["dnsdist", "--supervised", "--disable-syslog", "-C", str(path)]
    with (directory / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        local = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        yield {
            "udp": policy.Upstream(f"udp://{local['plain']}"),
            "tcp": policy.Upstream(f"tcp://{local['plain']}"),
            "tls": policy.Upstream(f"tls://{local['tls']}", (), str(authority.ca)),
            "https": policy.Upstream(f"https://{local['https']}", (), str(authority.ca)),
        }
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls", "https"])
def test_a_real_server_is_asked_over_every_transport(transport: str, tmp_path: Path) -> None:
    async def story(parts: Parts) -> None:
        while not (await answered(parts, f"ready-{parts.loop.time()}".replace(".", "-"))).good:
            await asyncio.sleep(0.05)
        for turn in range(20):
            listener = await answered(parts, *(f"n{turn}-{i}" for i in range(100)))
            assert listener.good == 100

    with dnsdist(tmp_path) as servers:
        run(story, schools.with_limits(queries_per_second=100_000), upstreams=(servers[transport],))


def test_other_servers_take_the_place_of_the_old_ones() -> None:
    async def story(parts: Parts) -> None:
        assert (await answered(parts, "one")).good == 1
        parts.upstreams.configure((policy.Upstream(new.url("tcp")),), "auto")
        parts.forwarder.use_upstreams(schools.plan(1))
        assert (await answered(parts, "two")).good == 1
        parts.upstreams.configure((policy.Upstream(udp.url),), "auto")
        parts.forwarder.use_upstreams(schools.plan(1))
        assert (await answered(parts, "three")).good == 1
        assert [bool(old.asked(f"{name}.example.org")) for name in ("one", "two", "three")] == [True, False, False]
        assert [bool(new.asked(f"{name}.example.org")) for name in ("one", "two", "three")] == [False, True, False]
        await until(lambda: not old._open and not new._open)

    with Peer(answering) as old, Peer(answering) as new, Upstream() as udp:
        run(story, upstreams=(old.url("tcp"),))


def test_nothing_is_left_open_at_the_end() -> None:
    async def story(parts: Parts) -> None:
        assert (await answered(parts, "one")).good == 1
        parts.upstreams.close()
        await until(lambda: not peer._open)
        assert not parts.hot._callbacks

    with Peer(answering) as peer, Upstream() as udp:
        run(story, upstreams=(peer.url("tcp"), udp.url))
