"""One run of the update, from the first question to the status for everybody else.

Every source for itself: one that fails leaves the others alone and its last good copy in use. A table is compiled only
if something it is made of changed. Order on disk: the new table first, then the copies it was made of, then the notes;
a power cut between two of them costs at most another download.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from filterd.config.load import Configuration, load_all
from filterd.core.quality import quality
from filterd.core.source import Source
from filterd.core.updates import Outcome, Why
from filterd.errors import ListError, TableError, TrustError
from filterd.store import build, lists, status, suffixes, tables
from filterd.store.shelf import Shelf
from filterd.update import clock, notes
from filterd.update.fetch import Fetcher
from filterd.update.publish import Press, Published
from filterd.update.resolve import Resolver
from filterd.update.sources import Candidate, Desk, SourceResult

WELL: Final = 0
NEGATIVE: Final = 1  # something was held, refused or failed; the school is safe with what it had
NO_TIME: Final = 75  # EX_TEMPFAIL of sysexits.h: the clock is not set, try again
_TROUBLE = frozenset({Outcome.HELD, Outcome.REFUSED, Outcome.FAILED})


@dataclass(frozen=True, slots=True)
class Options:
    """`only`: the sources to settle, all if empty; a person named them, so they are asked even if they are not due.
    `folder`: lists come from there instead of the network. `accept`: what waits of these sources is taken, whatever the
    judge and the probe said: a person has looked at it.
    """

    only: frozenset[str] = frozenset()
    accept: frozenset[str] = frozenset()
    dry_run: bool = False
    offline: bool = False
    folder: Path | None = None


@dataclass(slots=True)
class Result:
    """`status` is what STATE/status.json says of the run."""

    exit_code: int
    status: dict[str, Any]


class Watch(Protocol):
    """What a command shows while it runs."""

    def fetching(self, source: str, done: int, total: int | None) -> None: ...
    def settled(self, source: str, result: SourceResult) -> None: ...
    def step(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class World:
    """The clock and the trust of the box, for tests to set."""

    now: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep
    ca: Path | None = None
    fetching_s: float = 5400.0  # of one run; what came until then is published, the rest is asked for by the next


def run(config_dir: Path, state_dir: Path, options: Options, watch: Watch, world: World | None = None) -> Result:
    """Update the lists once. Raises ConfigError for a bad configuration and BusyError while another run is under way;
    OSError where the state directory cannot be written at all.
    """
    configuration = load_all(config_dir)
    with lists.lock(state_dir), lists.staging(state_dir) as staging:
        return _Run(config_dir, state_dir, configuration, options, watch, world or World(), staging).go()


@dataclass(slots=True)
class _Run:
    config_dir: Path
    state_dir: Path
    configuration: Configuration
    options: Options
    watch: Watch
    world: World
    staging: Path
    trusted: bool = False  # the clock
    results: dict[str, SourceResult] = field(default_factory=dict)
    staged: dict[str, Candidate] = field(default_factory=dict)

    def go(self) -> Result:
        started, cpu, started_at = time.monotonic(), time.process_time(), self.world.now()
        before = status.read(self.state_dir)
        self.trusted = clock.is_trusted(started_at, before)
        if self._takes_bundle():
            published = self._bundle()
        else:
            self._settle()
            published = self._publish()
        if not self.options.dry_run:
            notes.remember(self.state_dir, self.results, int(self.world.now()))
        found = notes.as_status(self.state_dir, before, self._sources(), self.results, published)
        found["quality"] = self._quality(published) or before.get("quality", {})
        found |= {
            "clock_trusted": self.trusted,
            "started_at": int(started_at),
            "ended_at": int(self.world.now()),
            "duration_s": round(time.monotonic() - started, 1),
            "cpu_s": round(time.process_time() - cpu, 2),
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
        found = status.plain(found)
        if not self.options.dry_run:
            try:
                status.write(self.state_dir, found)
            except OSError as error:
                found["text"] += f"; the status could not be written: {error.strerror or error}"
        return Result(self._exit_code(published), found)

    def _exit_code(self, published: Published) -> int:
        if published.no_time or any(result.why is Why.CLOCK for result in self.results.values()):
            return NO_TIME
        trouble = any(result.outcome in _TROUBLE for result in self.results.values())
        return NEGATIVE if trouble or published.failed or published.old_sins else WELL

    # -- sources --------------------------------------------------------------------------------------------------

    def _sources(self) -> tuple[Source, ...]:
        return tuple(source for source in self.configuration.sources if source.enabled)

    def _in_order(self) -> list[Source]:
        """Those that failed last night come last: one slow server takes no other list's time."""
        return sorted(self._sources(), key=lambda source: lists.recall(self.state_dir, source.id).failures)

    def _fetcher(self) -> Fetcher:
        policy, world = self.configuration.policy, self.world
        resolver = Resolver(policy.upstreams, policy.routes)
        return Fetcher(
            resolver,
            self.staging,
            clock=world.now,
            pause=world.pause,
            ca=world.ca,
            progress=self.watch.fetching,
            clock_trusted=self.trusted,
        )

    def _settle(self) -> None:
        """Ask every source, look at what came, judge it. What passes is in `staged`."""
        options = self.options
        network = not options.offline and options.folder is None
        night_ends = time.monotonic() + self.world.fetching_s
        with Shelf() as shelf, self._fetcher() as fetcher:
            desk = Desk(
                state_dir=self.state_dir,
                blocklists=self.config_dir / "blocklists",
                staging=self.staging,
                fetcher=fetcher if network else None,
                folder=options.folder,
                asked=options.only,
                sources=self._sources(),
                suffixes=suffixes.load,
                now=self.world.now,
                shelf=shelf,
                dry_run=options.dry_run,
            )
            for source in self._in_order():
                if options.only and source.id not in options.only:
                    continue
                try:
                    accepts = source.id in options.accept
                    if time.monotonic() > night_ends:
                        desk.fetcher = None
                    result, candidate = desk.accepted(source) if accepts else desk.settle(source)
                except OSError as error:
                    result, candidate = SourceResult(Outcome.FAILED, Why.DISK, error.strerror or str(error)), None
                except Exception as error:  # noqa: BLE001  a stranger's bytes met a mistake of ours: no other list's fault
                    text = f"filterd stumbled over it, please report it: {type(error).__name__}: {str(error)[:200]}"
                    result, candidate = SourceResult(Outcome.REFUSED, Why.FORMAT, text), None
                self.results[source.id] = result
                if candidate is not None:
                    self.staged[source.id] = candidate
                if result.outcome is not Outcome.LOCAL:
                    self.watch.settled(source.id, result)

    # -- the table ------------------------------------------------------------------------------------------------

    def _publish(self) -> Published:
        """Compile and probe if anything changed, publish unless somebody rolled back, and keep what passed."""
        pinned = tables.pinned(self.state_dir)
        if self.options.accept and (pinned is not None or self.configuration.updates.bundle is not None):
            # Once accepted and not published, it would be judged like any other when the pin is gone.
            why = (
                f"{_pinned(pinned)}; accept the table first" if pinned is not None else "the district's bundle is used"
            )
            published = Published(text=f"{why}; nothing was accepted", failed=True, why=Why.FROZEN)
            self._settle_failed(published)
            return published
        sources, blocklists = self._sources(), self.config_dir / "blocklists"
        paths = {name: candidate.path for name, candidate in self.staged.items()}
        press = Press(
            sources=sources,
            policy=self.configuration.policy,
            probes=self.configuration.probes,
            blocklists=blocklists,
            state_dir=self.state_dir,
            keep=self.configuration.updates.keep,
            now=self.world.now,
            step=self.watch.step,
            accepted=self.options.accept,
        )
        if build.fingerprint(sources, blocklists, self.state_dir, paths) == build.fingerprint_in_force(self.state_dir):
            # Copies are kept all the same: a run may have ended before it did.
            return self._keep(Published(text="nothing changed", old_sins=press.sins()))
        try:
            published = press.publish(self.staged, publishes=pinned is None and not self.options.dry_run)
        except (OSError, ListError, TableError) as error:
            text = f"{error}; what was in force stays"
            published = Published(text=text, failed=True, why=Why.DISK, old_sins=press.sins())
        self._settle_held(published)
        self._settle_failed(published)
        published = self._keep(published)
        if pinned is not None and not published.failed:
            published.text = _pinned(pinned)
        return published

    def _keep(self, published: Published) -> Published:
        """Make the copies that the table is made of the last good ones."""
        if published.failed or self.options.dry_run:
            return published
        for name, candidate in self.staged.items():
            try:
                lists.take(self.state_dir, name, candidate.path, candidate.meta)
                lists.drop_held(self.state_dir, name)
            except OSError as error:
                reason = error.strerror or str(error)
                self._keep_old(name, Outcome.FAILED, Why.DISK, f"it is in force, but its copy was not kept: {reason}")
                published.text, published.failed = f"not every new copy was kept: {reason}", True
        return published

    def _settle_failed(self, published: Published) -> None:
        """No copy was taken without a table: what passed is asked for again by the next run."""
        for name in self.staged if published.failed else ():
            self._keep_old(name, Outcome.FAILED, published.why, "it would be taken, but no table was made with it")
            self.watch.settled(name, self.results[name])

    def _keep_old(self, name: str, outcome: Outcome, why: Why, text: str) -> None:
        """What had passed is not in use after all."""
        result, good = self.results[name], lists.good(self.state_dir, name)
        result.outcome, result.why, result.text = outcome, why, text
        result.entries = good.figures.entries if good is not None and good.figures is not None else None

    def _settle_held(self, published: Published) -> None:
        """Put aside the copies that the probe found guilty, or that cannot be compiled."""
        for name, judgement in published.held.items():
            candidate = self.staged.pop(name)
            self._keep_old(name, judgement.outcome, judgement.why, judgement.text)
            if not self.options.dry_run:
                meta, now = candidate.meta, self.world.now()
                try:
                    lists.hold(self.state_dir, name, candidate.path, meta, judgement.why, judgement.text, now)
                except OSError as error:
                    self.results[name].text += f"; it could not be put aside: {error.strerror or error}"
            self.watch.settled(name, self.results[name])

    def _quality(self, published: Published) -> dict[str, Any]:
        """How good the lists of a new table are, for metrics; of an old one it is known."""
        if published.generation is None or published.built is None or self.options.dry_run:
            return {}
        self.watch.step("measuring the lists")
        configuration = self.configuration
        languages = {source.id: source.languages for source in configuration.sources}
        table = build.table_of(published.built)
        return quality(configuration.policy, table, configuration.probes, languages, self.world.now()).to_json()

    # -- a district's table ---------------------------------------------------------------------------------------

    def _takes_bundle(self) -> bool:
        """Whether a district's box fetches the lists for this one."""
        return self.configuration.updates.bundle is not None and self.options.folder is None and not self.options.accept

    def _bundle(self) -> Published:
        """Take the district's table, if it is newer and does this school no wrong."""
        from filterd.store import bundles  # and with it cryptography: not for boxes that fetch for themselves
        from filterd.update import district

        place = self.configuration.updates.bundle
        assert place is not None
        pinned = tables.pinned(self.state_dir)
        if pinned is not None:
            return Published(text=_pinned(pinned))
        if self.options.dry_run:
            return Published(text=f"a bundle is taken or not: {place} was not asked")
        self.watch.step(f"bundle of {place}")
        now, keep = int(self.world.now()), self.configuration.updates.keep
        check = district.prober(self.configuration.policy, self.configuration.probes, self.state_dir, now)
        try:
            gate = bundles.gate(self.config_dir, self.state_dir, now, self.trusted)
            with self._fetcher() as fetcher:
                asked = None if self.options.offline else fetcher
                found = district.update(self.state_dir, place, asked, self.staging, gate, keep, check)
        except (TrustError, TableError, OSError) as error:
            no_time = getattr(error, "why", "") == Why.CLOCK
            return Published(text=f"{error}; what was in force stays", failed=True, no_time=no_time)
        return Published(found.generation if found.changed else None, found.offer.warning or "")


def _pinned(pin: tables.Pin) -> str:
    return f"pinned to {pin.generation} by a rollback: nothing is published"
