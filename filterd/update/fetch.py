"""One list of others from where it is published, or from one of its mirrors, into the staging folder.

Whether it has changed is asked by what was known of the last one; what came is not looked at here (`look`, `judge`).
Nothing this does can touch a list in use.
"""

from __future__ import annotations

import contextlib
import email.utils
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from filterd import __version__
from filterd.core.source import Source
from filterd.core.updates import Why
from filterd.update import body
from filterd.update.faults import FetchError
from filterd.update.resolve import Resolver
from filterd.update.web import Answer, Limits, Web, place

AGENT: Final = f"filterd/{__version__} (school DNS filter; asks for each list once a night)"
TRIES: Final = 2  # of each place
BACK_OFF_S: Final = 2.0  # before a second try: so long, and up to as much again
REST_S: Final = 60.0  # a host that said "too many" and not for how long
LONGEST_REST_S: Final = 86400.0
_MAX_VALIDATOR: Final = 1024

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class Validators:
    """What the server of `url`, the source's own or a mirror's, said of the content that is here already."""

    url: str
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file in the staging folder. `url`: the source's or the mirror's that it is from; `bytes` and `sha256` are of
    the file, which may have been packed on its way.
    """

    path: Path
    url: str
    bytes: int
    sha256: str
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class NotModified:
    """The server of `url` has nothing newer than what the validators were of."""

    url: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Nothing came. `why` is about the source's first place, `text` about all of them. `retry_after_s`: the server
    asked not to be asked before.
    """

    why: Why
    text: str
    retry_after_s: float | None = None


class Fetcher:
    """`clock`: Unix seconds; `pause`: waits so many seconds; `ca`: a file of roots to trust instead of the system's;
    `progress`: source id, bytes so far, of how many (or None). One download at a time; `staging` must exist.
    """

    def __init__(
        self, resolver: Resolver, staging: Path, *, clock: Callable[[], float], pause: Callable[[float], None],
        ca: Path | None = None, progress: Progress | None = None, clock_trusted: bool = True,
        limits: Limits = Limits(), monotonic: Callable[[], float] = time.monotonic,  # noqa: B008  frozen
    ) -> None:  # fmt: skip
        self._staging = staging
        self._clock = clock
        self._pause = pause
        self._progress = progress
        self._clock_trusted = clock_trusted
        self._limits = limits
        self._monotonic = monotonic
        self._web = Web(resolver, limits, AGENT, ca, monotonic)
        self._resting: dict[str, float] = {}  # host to when it may be asked again

    def __enter__(self) -> Self:
        self._web.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._web.__exit__(*exception)

    def fetch(self, source: Source, known: Validators | None = None) -> Fetched | NotModified | Failure:
        """Ask the source's URL, then its mirrors in order, until one gives the list or says that it has not changed.

        The file is `staging`/<source id>; a compressed single list is unpacked, an archive (`member`) is not. Nothing
        is left there unless it is whole.
        """
        failures: list[tuple[str, FetchError]] = []
        for url in (source.url, *source.mirrors):
            try:
                return self._from(url, source, known if known is not None and known.url == url else None)
            except FetchError as error:
                failures.append((url, error))
                if error.why is Why.DISK:  # it is as full for a mirror's
                    break
        first = failures[0][1]
        text = "; ".join(f"{_shown(url)}: {error.text}" for url, error in failures)
        if first.why is Why.TLS and not self._clock_trusted:
            now = time.strftime("%Y-%m-%d %H:%M", time.gmtime(self._clock()))
            return Failure(Why.CLOCK, f"{text}; this box does not know the time, its clock says {now} UTC")
        return Failure(first.why, text, first.retry_after_s)

    def _from(self, url: str, source: Source, known: Validators | None) -> Fetched | NotModified:
        """One place, asked again once where that may help. Raises FetchError."""
        for left in reversed(range(TRIES)):
            try:
                self._not_resting(url)
                return self._try(url, source, known)
            except FetchError as error:
                if error.why is Why.RATE_LIMITED:
                    self._rest(url, error.retry_after_s)
                if not error.again or not left:
                    raise
            self._pause(BACK_OFF_S * (1 + random.random()))  # noqa: S311  not a secret
        raise AssertionError("the last try returns or raises")

    def _try(self, url: str, source: Source, known: Validators | None) -> Fetched | NotModified:
        asked = _conditions(known)
        with self._web.get(url, source, asked) as answer:
            if answer.status == 304 and asked:
                next(answer.chunks, b"")  # it has none; but a connection is only used again after its end
                return NotModified(url)
            if answer.status != 200:
                raise self._refusal(answer)
            path = self._staging / source.id
            try:
                size, sha256 = body.save(answer, path, source, self._limits, self._monotonic, self._progress)
            except BaseException:
                with contextlib.suppress(OSError):
                    path.unlink()
                raise
            headers = answer.headers
            return Fetched(path, url, size, sha256, _validator(headers, "etag"), _validator(headers, "last-modified"))

    def _refusal(self, answer: Answer) -> FetchError:
        """What a status means that is no list."""
        status, after = answer.status, self._retry_after_s(answer.headers)
        if status == 429 or (status == 503 and after is not None):
            when = "" if after is None else f" before {after:.0f} s have passed"
            return FetchError(Why.RATE_LIMITED, f"HTTP {status}: it wants not to be asked{when}", retry_after_s=after)
        return FetchError(Why.STATUS, f"HTTP {status}", again=status >= 500)

    def _retry_after_s(self, headers: Mapping[str, str]) -> float | None:
        """RFC 9110 section 10.2.3: seconds, or a date, which is compared with the server's own if it says that."""
        text = headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            seconds = float(text[:9])
        else:
            until, now = _unix(text), _unix(headers.get("date", ""))
            if until is None:
                return None
            seconds = until - (self._clock() if now is None else now)
        return min(max(seconds, 0.0), LONGEST_REST_S)

    def _rest(self, url: str, retry_after_s: float | None) -> None:
        rest_s = REST_S if retry_after_s is None else retry_after_s
        until = self._monotonic() + rest_s
        self._resting[place(url).host] = max(until, self._resting.get(place(url).host, 0.0))

    def _not_resting(self, url: str) -> None:
        """Raises FetchError where another list's server on this host has just said that it is asked too often."""
        with contextlib.suppress(ValueError):
            left = self._resting.get(place(url).host, 0.0) - self._monotonic()
            if left > 0:
                text = f"not asked: its host wants not to be for {left:.0f} s more"
                raise FetchError(Why.RATE_LIMITED, text, retry_after_s=left)


def _conditions(known: Validators | None) -> dict[str, str]:
    """The headers that ask for the content only if it is another."""
    if known is None:
        return {}
    asked = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {name: value for name, value in asked.items() if value}


def _validator(headers: Mapping[str, str], name: str) -> str | None:
    """One that can be kept in a file and sent back as it is."""
    value = headers.get(name, "").strip()
    sane = 0 < len(value) <= _MAX_VALIDATOR and value.isascii() and value.isprintable()
    return value if sane else None


def _unix(date: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None


def _shown(url: str) -> str:
    """A URL for a sentence: its host, which is what tells mirrors apart."""
    try:
        return place(url).host
    except ValueError:
        return url[:80]
