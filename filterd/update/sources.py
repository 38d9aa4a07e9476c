"""What becomes of one source tonight: asked or not, fetched, looked at, judged. Nothing is kept or published here.

The judge's measure is always the last good copy. A copy that waits for a person is not fetched again while it stays the
same; when its source takes the mistake back, nobody is bothered any more. When a person changes how the list is to be
read or judged, it is judged anew.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from filterd.core.compiler import Read
from filterd.core.judge import judge, unfit
from filterd.core.rules import Suffixes
from filterd.core.source import Source
from filterd.core.updates import Figures, Judgement, Outcome, Why
from filterd.errors import ListError
from filterd.store import build, lists
from filterd.store.shelf import Shelf
from filterd.update import clock, offline
from filterd.update.fetch import Failure, Fetched, NotModified, Validators
from filterd.update.look import look, read

DUE_S: Final = 12 * 3600  # a source that answered so lately is not asked again tonight


@dataclass(slots=True)
class SourceResult:
    """What one run made of one source. `entries` are those of the copy in use, `bytes` what was downloaded."""

    outcome: Outcome
    why: Why = Why.NONE
    text: str = ""
    entries: int | None = None
    bytes: int = 0
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A copy that passed the judge and waits in staging for the probe."""

    path: Path
    meta: lists.Meta
    rules: Read | None = None  # what the compiler would read of it


class Fetching(Protocol):
    """What is used of `fetch.Fetcher`."""

    def fetch(self, source: Source, known: Validators | None) -> Fetched | NotModified | Failure: ...


@dataclass(slots=True)
class Desk:
    """Goes through the sources of one run. `fetcher` None: the network is not used. `folder`: lists come from there
    instead. `asked` are sources a person named: they are asked even if they are not due.
    """

    state_dir: Path
    blocklists: Path
    staging: Path
    fetcher: Fetching | None
    folder: Path | None
    asked: frozenset[str]
    sources: tuple[Source, ...]  # all of them: which file on a stick is whose
    suffixes: Callable[[], Suffixes]  # loaded for what came; most nights nothing does
    now: Callable[[], float]
    shelf: Shelf  # archives that many sources share are opened once
    dry_run: bool = False
    _came: dict[tuple[object, ...], Fetched | Failure] = field(default_factory=dict)  # one archive, many sources

    def settle(self, source: Source) -> tuple[SourceResult, Candidate | None]:
        """The outcome for one source, and its new copy if it has a good one. Raises OSError only for a broken state."""
        if source.url.startswith("file:"):
            return SourceResult(Outcome.LOCAL), None
        good = lists.good(self.state_dir, source.id)
        frozen = lists.frozen(self.state_dir, source.id)
        if frozen is not None:
            text = f"frozen since {clock.shown(frozen.since)}: {frozen.reason or 'no reason given'}"
            return self._kept(Outcome.SKIPPED, Why.FROZEN, text, good), None
        if self.folder is not None:
            return self._judged(source, self._from_folder(source, self.folder), good)
        waits = self._waits(source)
        if waits is not None or self.fetcher is None:
            return self._kept(*(waits or (Outcome.SKIPPED, Why.NOT_DUE, "it was not asked this time")), good), None
        return self._judged(source, self._fetched(source, self.fetcher, good), good)

    def accepted(self, source: Source) -> tuple[SourceResult, Candidate | None]:
        """What waits for a person, who has decided to take it."""
        waiting = lists.held(self.state_dir, source.id)
        if waiting is None:
            good = lists.good(self.state_dir, source.id)
            return self._kept(Outcome.FAILED, Why.MISSING, "nothing waits to be accepted", good), None
        meta = dataclasses.replace(waiting.meta, changed_at=int(self.now()))
        entries = meta.figures.entries if meta.figures is not None else None
        path = lists.held_path(self.state_dir, source.id)
        return SourceResult(Outcome.TAKEN, entries=entries, bytes=meta.bytes), Candidate(path, meta)

    def _fetched(self, source: Source, fetcher: Fetching, good: lists.Meta | None) -> Fetched | NotModified | Failure:
        # The same bytes only for those who may take them from there, as large, and packed or not.
        may = (source.allow_http, source.allow_private, source.max_bytes, source.member is None)
        places = (*may, source.url, *source.mirrors)
        if places not in self._came:
            came = fetcher.fetch(source, self._validators(source, good))
            if isinstance(came, NotModified) or (isinstance(came, Failure) and came.why is Why.DISK):
                return came  # true of this source's copy alone; or of a moment
            self._came[places] = came
        return self._came[places]

    def _from_folder(self, source: Source, folder: Path) -> Fetched | Failure:
        found = offline.find(folder, source, self.sources)
        if found is None:
            return Failure(Why.MISSING, f"{folder} has no list for it ({source.id}, or {source.id}.txt)")
        return offline.take(found, self.staging, source)

    def _waits(self, source: Source) -> tuple[Outcome, Why, str] | None:
        """Why the source is not asked now, if it is not."""
        now = self.now()
        memory = lists.recall(self.state_dir, source.id)
        if memory.retry_after is not None and now < memory.retry_after <= now + 2 * 86400:
            return Outcome.SKIPPED, Why.RATE_LIMITED, f"asks to be left alone until {clock.shown(memory.retry_after)}"
        last = memory.last_success
        if source.id not in self.asked and last is not None and 0 <= now - last < DUE_S:
            return Outcome.SKIPPED, Why.NOT_DUE, f"was asked at {clock.shown(last)}"
        return None

    def _validators(self, source: Source, good: lists.Meta | None) -> Validators | None:
        """Those of what waits for a person, else of the last good copy: what is known already need not come again."""
        waiting = lists.held(self.state_dir, source.id)
        known = waiting.meta if waiting is not None else good
        if known is None or not known.url or not (known.etag or known.last_modified):
            return None
        return Validators(known.url, known.etag, known.last_modified)

    def _judged(
        self, source: Source, came: Fetched | NotModified | Failure, good: lists.Meta | None
    ) -> tuple[SourceResult, Candidate | None]:
        if isinstance(came, Failure):
            result = self._kept(Outcome.FAILED, came.why, came.text, good)
            result.retry_after_s = came.retry_after_s
            return result, None
        waiting = lists.held(self.state_dir, source.id)
        size = came.bytes if isinstance(came, Fetched) else 0
        if waiting is not None and (isinstance(came, NotModified) or came.sha256 == waiting.meta.sha256):
            if waiting.meta.settings == settings_of(source):
                return self._kept(Outcome.HELD, waiting.why, waiting.text, good, size), None
            came = came if isinstance(came, Fetched) else self._waiting(source, waiting.meta)
        if isinstance(came, NotModified):
            return self._kept(Outcome.UNCHANGED, Why.NONE, "", self._read_anew(source, good)), None
        if good is not None and came.sha256 == good.sha256:
            good = self._read_anew(source, good)
            if good is not None and not self.dry_run:
                self._renew(source, came, good)
            return self._kept(Outcome.UNCHANGED, Why.NONE, "", good, came.bytes), None
        stays = "the last good copy" if good is None else f"the copy of {clock.shown(good.fetched_at)}"
        figures = rules = None
        try:
            figures, rules = read(source, came.path, self.suffixes(), self.shelf)
            judgement = judge(source, figures, self._figures(source, good), stays)
        except ListError as error:
            judgement = unfit(str(error), error.why, good is not None, stays)
        meta = self._meta(source, came, figures)
        if judgement.outcome is Outcome.TAKEN:
            entries = figures.entries if figures is not None else None
            return SourceResult(Outcome.TAKEN, text=judgement.text, entries=entries, bytes=came.bytes), Candidate(
                came.path, meta, rules
            )
        if judgement.outcome is Outcome.HELD:
            self.hold(source, Candidate(came.path, meta), judgement)
        return self._kept(judgement.outcome, judgement.why, judgement.text, good, came.bytes), None

    def _waiting(self, source: Source, meta: lists.Meta) -> Fetched:
        """What waits for a person, as if it came tonight."""
        path = lists.held_path(self.state_dir, source.id)
        return Fetched(path, meta.url, meta.bytes, meta.sha256, meta.etag, meta.last_modified)

    def _read_anew(self, source: Source, good: lists.Meta | None) -> lists.Meta | None:
        """The last good copy in figures of how it is to be read now; a person may have changed that."""
        if good is None or good.settings == settings_of(source):
            return good
        renewed = dataclasses.replace(good, figures=self._figures(source, good), settings=settings_of(source))
        copy = lists.locate(source, self.blocklists, self.state_dir)
        if self.dry_run or copy is None:
            return renewed
        return lists.take(self.state_dir, source.id, copy.path, renewed)

    def _renew(self, source: Source, came: Fetched, good: lists.Meta) -> None:
        """The same bytes again: the source took back what waited, and the server may call them otherwise now."""
        lists.drop_held(self.state_dir, source.id)
        renewed = dataclasses.replace(good, url=came.url, etag=came.etag, last_modified=came.last_modified)
        if renewed != good:
            lists.take(self.state_dir, source.id, came.path, renewed)

    def hold(self, source: Source, candidate: Candidate, judgement: Judgement) -> None:
        """Put a copy aside for a person."""
        if not self.dry_run:
            lists.hold(
                self.state_dir, source.id, candidate.path, candidate.meta, judgement.why, judgement.text, self.now()
            )

    def _figures(self, source: Source, good: lists.Meta | None) -> Figures | None:
        """Of the last good copy; looked at again where nobody wrote them down, as for a copy put there by hand.

        A copy that a bad disk cut short is no measure: what is written of it, and the table made of it, count as well.
        """
        noted = good or lists.noted(self.state_dir, source.id)
        if noted is not None and noted.figures is not None and noted.settings == settings_of(source):
            return noted.figures
        try:
            copy = lists.locate(source, self.blocklists, self.state_dir)
            figures = None if copy is None else look(source, copy.path, self.suffixes())
        except ListError:  # not what it is to be now: a category that was renamed is measured by what it was
            return None if noted is None else noted.figures
        in_force = None if good is not None else build.sources_in_force(self.state_dir).get(source.id)
        if figures is not None and in_force is not None and in_force.entries > figures.entries:
            return dataclasses.replace(figures, entries=in_force.entries, declared=None)
        return figures

    def _meta(self, source: Source, came: Fetched, figures: Figures | None) -> lists.Meta:
        now = int(self.now())
        return lists.Meta(
            url=came.url,
            etag=came.etag,
            last_modified=came.last_modified,
            fetched_at=now,
            changed_at=now,
            bytes=came.bytes,
            sha256=came.sha256,
            figures=figures,
            settings=settings_of(source),
        )

    @staticmethod
    def _kept(outcome: Outcome, why: Why, text: str, good: lists.Meta | None, size: int = 0) -> SourceResult:
        """A result that leaves the last good copy in use."""
        entries = good.figures.entries if good is not None and good.figures is not None else None
        return SourceResult(outcome, why, text, entries, size)


def settings_of(source: Source) -> str:
    """What of sources.yaml says how a list is read and judged."""
    read = [source.format, source.member, source.covers, source.tld_list]
    return json.dumps([*read, source.min_entries, source.max_shrink, source.max_grow], separators=(",", ":"))
