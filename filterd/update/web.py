"""One GET over HTTP: where it may lead, redirects followed by hand, and what failed, as a `FetchError`.

Each hop is checked anew: its scheme, its host, every address of it. A list's server, or whoever has taken it over, must
not lead this box to other schemes, to plain HTTP, or to devices inside the school (CVE-2024-34361 was that, in a
filter of another project). Requests go straight to the transport: httpx's client would look for proxies in the
environment, keep cookies, and read a Location before anybody asked it to.
"""

from __future__ import annotations

import contextlib
import ipaddress
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self
from urllib.parse import quote, urljoin, urlsplit

import httpx

from filterd.core import names, private
from filterd.core.source import Source
from filterd.core.updates import Why
from filterd.errors import NameSyntaxError
from filterd.update.connect import Dialer, context
from filterd.update.faults import FetchError
from filterd.update.resolve import Resolver
from filterd.update.transport import Transport, faults

PORTS: Final = {"http": 80, "https": 443}
REDIRECTS: Final = (301, 302, 303, 307, 308)
MAX_URL: Final = 4096
_KEPT: Final = "!#$%&'()*+,/:;=?@[]~-._"  # of a path and query, as they are; the rest is percent-encoded
_NAT64_LOCAL: Final = ipaddress.IPv6Network("64:ff9b:1::/48")  # RFC 8215: whatever the network makes of it


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one download: seconds, bytes a second over `window_s`, and how many redirects. `ratio`: unpacked to sent."""

    connect_s: float = 10.0
    read_s: float = 30.0
    whole_s: float = 300.0
    window_s: float = 30.0
    slowest: float = 1024.0
    redirects: int = 5
    ratio: float = 20.0
    ratio_from: int = 1 << 20  # unpacked bytes; a small file of one line again and again is no bomb


class Place(NamedTuple):
    """A URL that may be asked: `host` a name in normal form or an address, `target` path and query."""

    scheme: str
    host: str
    port: int
    target: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.target}"


def place(url: str) -> Place:
    """Raises ValueError with a sentence about what is wrong with it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(f"{url[:200]!r} is not a URL") from None
    if parts.scheme not in PORTS:
        raise ValueError(f"{parts.scheme[:20] or 'no scheme'}: is neither https: nor http:")
    if "@" in parts.netloc or "\\" in url or len(url) > MAX_URL or not url.isprintable():
        raise ValueError(f"{url[:200]!r} holds a user name, or characters that no URL has")
    try:
        host = str(ipaddress.ip_address(host))
    except ValueError:
        try:
            host = names.normal(host)
        except NameSyntaxError as error:
            raise ValueError(str(error)) from None
    target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_KEPT)
    found = Place(parts.scheme, host, port or PORTS[parts.scheme], target)
    try:
        _ = httpx.URL(str(found)).host  # which knows names and addresses that are none, such as `xn--a` and 1.2.3.999
    except (httpx.InvalidURL, ValueError) as error:
        raise ValueError(f"{host!r} is no host: {error}") from None
    return found


def is_public(address: str) -> bool:
    """Whether an address is one of the Internet's, where alone a list may come from if nothing else was said."""
    found = ipaddress.ip_address(address)
    if private.is_private(found.packed) or found in _NAT64_LOCAL:
        return False
    return found.is_global and not found.is_multicast


@dataclass(frozen=True, slots=True)
class Answer:
    """The last hop's. `chunks`: the body as it was sent, undecoded; reading it raises FetchError."""

    status: int
    headers: Mapping[str, str]  # names in any case
    chunks: Iterator[bytes]


class Web:
    """Connections are kept for the next source of the same host, but not across `allow_private`: one that was opened
    to a private address must not serve a source that may not go there.
    """

    def __init__(
        self, resolver: Resolver, limits: Limits, agent: str, ca: Path | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._resolver = resolver
        self._limits = limits
        self._agent = agent
        self._ca = ca
        self._dialers = {may: Dialer(monotonic) for may in (False, True)}
        self._transports: dict[bool, Transport] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for transport in self._transports.values():
            transport.close()
        self._transports.clear()

    @contextlib.contextmanager
    def get(self, url: str, source: Source, headers: Mapping[str, str]) -> Iterator[Answer]:
        """The answer of where `url` leads at last. Raises FetchError, on entering and while the body is read."""
        try:
            here = place(url)
        except ValueError as error:
            raise FetchError(Why.FORBIDDEN, str(error)) from None
        seen = [here]
        self._dialers[source.allow_private].begin(self._limits.whole_s)
        while True:
            try:
                self._admit(here, source)
            except FetchError as error:
                raise _of_hop(error, here, len(seen)) from None
            with self._asked(here, source, headers) as answer:
                to = answer.headers.get("location") if answer.status in REDIRECTS else None
                if to is None:
                    yield answer
                    return
                here = self._next(here, to)
            if here in seen:
                raise FetchError(Why.REDIRECT, f"it redirects in a circle, by {here}")
            if len(seen) > self._limits.redirects:
                raise FetchError(Why.REDIRECT, f"it redirects more than {self._limits.redirects} times")
            seen.append(here)

    def _admit(self, here: Place, source: Source) -> None:
        """Let connections go to where a place is, if it may be asked. Raises FetchError."""
        if here.scheme != "https" and not source.allow_http:
            raise FetchError(Why.FORBIDDEN, f"{here} is plain http, which needs allow_http: true in sources.yaml")
        addresses = self._resolver.addresses(here.host)
        allowed = [each for each in addresses if source.allow_private or is_public(each)]
        if not allowed:
            where = here.host if [here.host] == addresses else f"{here.host} is {', '.join(addresses)}, which"
            needs = "a server inside the school needs allow_private: true in sources.yaml"
            raise FetchError(Why.FORBIDDEN, f"{where} is no address of the Internet; {needs}")
        self._dialers[source.allow_private].allow(here.host, allowed)

    def _next(self, here: Place, location: str) -> Place:
        try:
            there = place(urljoin(str(here), location.strip()))
        except ValueError as error:
            raise FetchError(Why.REDIRECT, f"it redirects to where no list may come from: {error}") from None
        if here.scheme == "https" and there.scheme != "https":
            raise FetchError(Why.REDIRECT, f"it redirects from https to plain http, {there}")
        return there

    @contextlib.contextmanager
    def _asked(self, here: Place, source: Source, headers: Mapping[str, str]) -> Iterator[Answer]:
        limits = self._limits
        said = {"User-Agent": self._agent, "Accept": "*/*", "Accept-Encoding": "gzip", **headers}
        patience = {"connect": limits.connect_s, "read": limits.read_s, "write": limits.read_s}
        request = httpx.Request("GET", str(here), headers=said, extensions={"timeout": patience})
        with faults(), contextlib.closing(self._transport(source.allow_private).handle_request(request)) as answer:
            yield Answer(answer.status_code, answer.headers, _undecoded(answer))

    def _transport(self, allow_private: bool) -> Transport:
        if allow_private not in self._transports:
            self._transports[allow_private] = Transport(self._dialers[allow_private], context(self._ca))
        return self._transports[allow_private]


def _of_hop(error: FetchError, here: Place, hop: int) -> FetchError:
    """What stops the first hop is the technician's to allow; a later one is where somebody else leads to."""
    if hop == 1:
        return error
    why = Why.REDIRECT if error.why is Why.FORBIDDEN else error.why
    return FetchError(why, f"it redirects to {here}: {error.text}", error.again, error.retry_after_s)


def _undecoded(answer: httpx.Response) -> Iterator[bytes]:
    with faults():
        yield from answer.iter_raw()
