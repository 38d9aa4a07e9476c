"""What tests of fetching share: a source on a test's own server, and a fetcher that waits for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filterd.core.policy import Upstream as Configured
from filterd.core.source import Source
from filterd.update.fetch import Failure, Fetched, Fetcher, NotModified, Validators
from filterd.update.resolve import Resolver
from filterd.update.web import Limits
from tests.update.nameserver import Nameserver, zone
from tests.upstreams import Script

NOW = 1_800_000_000.0
HOST = "lists.example"
QUICK = Limits(connect_s=2.0, read_s=0.3, whole_s=0.8, window_s=0.2, slowest=1000.0)
LIST = b"".join(b"site%d.example\n" % n for n in range(500))


def source(url: str, *mirrors: str, **changes: Any) -> Source:
    """A source that may be on loopback, over plain HTTP."""
    said = {"id": "list", "allow_private": True, "allow_http": True, **changes}
    return Source(name="a list", url=url, format="domains", category="adult", licence="MIT", mirrors=mirrors, **said)


class Fetching:
    """A fetcher with an upstream of its own, which knows `records` (or follows `script`). `pauses` are what it wanted
    to wait, `told` what it said of its progress.
    """

    def __init__(
        self, staging: Path, records: Mapping[str, list[str]] | None = None, script: Script | None = None, **said: Any
    ) -> None:
        self.staging = staging
        self.pauses: list[float] = []
        self.told: list[tuple[str, int, int | None]] = []
        self.now = NOW
        self.dns = Nameserver(script or zone(records or {HOST: ["127.0.0.1"]}))
        settings = {"clock": lambda: self.now, "pause": self.pauses.append, "progress": self._progress, **said}
        self.fetcher = Fetcher(Resolver((Configured(self.dns.url),)), staging, **settings)

    def _progress(self, source_id: str, size: int, total: int | None) -> None:
        self.told.append((source_id, size, total))

    def __enter__(self) -> Self:
        self.dns.__enter__()
        self.fetcher.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.fetcher.__exit__(kind, error, at)
        self.dns.__exit__()

    def __call__(
        self, url: str, *mirrors: str, known: Validators | None = None, **changes: Any
    ) -> Fetched | NotModified | Failure:
        return self.fetcher.fetch(source(url, *mirrors, **changes), known)

    def content(self, url: str, *mirrors: str, **changes: Any) -> bytes:
        """Fetch it, well; what came, and is taken away."""
        found = self(url, *mirrors, **changes)
        assert isinstance(found, Fetched), found
        content = found.path.read_bytes()
        found.path.unlink()
        return content

    def failure(self, url: str, *mirrors: str, **changes: Any) -> Failure:
        """Fail at it, and leave nothing behind."""
        found = self(url, *mirrors, **changes)
        assert isinstance(found, Failure), found
        assert not list(self.staging.iterdir())
        return found
