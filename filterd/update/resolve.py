"""Where a list's server is, by the upstreams the school has configured.

Not by the system's resolver: on many boxes that is this filter, which may not run yet, and whose own lists may block
the host of a list. Routes for zones of their own hold here as they do for pupils.
"""

from __future__ import annotations

import contextlib
import ipaddress
import time
from collections.abc import Callable
from typing import Final

from dnslib import QTYPE, RCODE, DNSRecord

from filterd.core import names, servers
from filterd.core.policy import Route, Upstream
from filterd.core.updates import Why
from filterd.errors import NameSyntaxError
from filterd.update.ask import Asker, question
from filterd.update.faults import FetchError

KEEP_S: Final = 300.0  # forty lists of one host are one question, not forty
SILENCE_S: Final = 30.0  # where nobody answered: the next list of that host need not wait for it as long
TRIES: Final = 2  # over UDP, where packets get lost
_MAX_ALIASES: Final = 8


class Resolver:
    """`upstreams` and `routes` as the policy has them; `monotonic` gives seconds."""

    def __init__(
        self, upstreams: tuple[Upstream, ...], routes: tuple[Route, ...] = (), *, timeout_s: float = 3.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._zones = {b"": upstreams, **{names.key_of_text(route.zone): route.upstreams for route in routes}}
        self._timeout_s = timeout_s
        self._monotonic = monotonic
        self._asker = Asker()
        self._known: dict[str, tuple[float, list[str]]] = {}
        self._silent: dict[str, tuple[float, FetchError]] = {}

    def addresses(self, host: str) -> list[str]:
        """Every address of a host, IPv4 first; an address is its own. Each upstream is asked until one knows any.

        Raises FetchError, with what each of them said.
        """
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        try:
            name = names.normal(host)
        except NameSyntaxError as error:
            raise FetchError(Why.RESOLVE, str(error)) from None
        until, found = self._known.get(name, (0.0, []))
        if not found or until <= self._monotonic():
            found = self._asked_now(name)
            self._known[name] = self._monotonic() + KEEP_S, found
        return list(found)

    def _asked_now(self, name: str) -> list[str]:
        """As `_asked`, but a name that took long to learn nothing about is not asked for again at once."""
        until, failure = self._silent.get(name, (0.0, None))
        began = self._monotonic()
        if failure is not None and began < until:
            raise FetchError(failure.why, failure.text)
        try:
            return self._asked(name)
        except FetchError as error:
            now = self._monotonic()
            if now - began >= self._timeout_s:
                self._silent[name] = now + SILENCE_S, error
            raise

    def _asked(self, name: str) -> list[str]:
        key = names.key_of_text(name)
        upstreams = self._zones[names.closest(key, self._zones) or b""]
        failures: list[tuple[str, FetchError]] = []
        for upstream in upstreams:
            try:
                server = servers.parse(upstream)
            except ValueError as error:
                failures.append((upstream.url, FetchError(Why.RESOLVE, str(error))))
                continue
            for address in server.addresses:
                try:
                    return self._by(server, address, name)
                except FetchError as error:
                    failures.append((upstream.url, error))
        said = "; ".join(dict.fromkeys(f"{url}: {error.text}" for url, error in failures)) or "there is no upstream"
        # All of them refused for their certificates: that is what is wrong, or this box's clock.
        why = Why.TLS if failures and all(error.why is Why.TLS for _, error in failures) else Why.RESOLVE
        raise FetchError(why, f"the upstreams know no address of {name} ({said})")

    def _by(self, server: servers.Server, address: str, name: str) -> list[str]:
        """What one upstream knows. One that answers for IPv4 and not for IPv6 has said enough."""
        found = self._kind(server, address, name, "A")
        try:
            found += self._kind(server, address, name, "AAAA")
        except FetchError:
            if not found:
                raise
        if not found:
            raise FetchError(Why.RESOLVE, "no address")
        return found

    def _kind(self, server: servers.Server, address: str, name: str, kind: str) -> list[str]:
        asked = question(name, kind)
        reply = self._reply(server, address, asked)
        if reply.header.rcode != 0:
            raise FetchError(Why.RESOLVE, str(RCODE.get(reply.header.rcode)))
        return _addresses_in(reply, getattr(QTYPE, kind))

    def _reply(self, server: servers.Server, address: str, asked: DNSRecord) -> DNSRecord:
        for _ in range(TRIES - 1 if server.transport == "udp" else 0):
            with contextlib.suppress(FetchError):
                return self._asker.ask(server, address, asked, self._timeout_s)
        return self._asker.ask(server, address, asked, self._timeout_s)


def _addresses_in(reply: DNSRecord, rtype: int) -> list[str]:
    """The addresses of the name that was asked for, or of what it is an alias of."""
    wanted = reply.q.qname
    aliases = {record.rname: record.rdata.label for record in reply.rr if record.rtype == QTYPE.CNAME}
    for _ in range(_MAX_ALIASES):
        wanted = aliases.get(wanted, wanted)
    found = (record.rdata for record in reply.rr if record.rtype == rtype and record.rname == wanted)
    return [str(ipaddress.ip_address(bytes(data.data))) for data in found]
