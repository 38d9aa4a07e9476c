"""From good copies to a table in force: compile, probe, hold what sins, publish, keep.

A new copy that would block what must resolve, or open what must be blocked, is held by itself; the other lists of the
night go on without it. What the table in force does wrong as well is said and stops nobody: the night is no worse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from filterd.core.judge import thinned
from filterd.core.policy import Policy
from filterd.core.probe import Hit, probe, suspects
from filterd.core.probes import Probes
from filterd.core.source import Source
from filterd.core.table import Table
from filterd.core.updates import Judgement, Outcome, Why
from filterd.errors import FilterdError, ListError
from filterd.store import build, lists, suffixes, tables
from filterd.update import clock, trial
from filterd.update.look import look
from filterd.update.sources import Candidate
from filterd.update.where import lines_of

SHOWN: Final = 3  # names of those that come out wrong
MAX_RULES: Final = 3_500_000  # some 500 MB while they are compiled
ROUNDS: Final = 6  # compile, hold what sins, compile again; beyond it something else is wrong
MEANT: Final = "If that is meant, 'filterd lists build' puts it in force"


@dataclass(slots=True)
class Published:
    """`generation` is None where nothing new was put in force, and `text` says why. `held` are sources whose new copy
    sins; `old_sins` is what the table that is in force now does wrong. `why`: of what failed.
    """

    generation: str | None = None
    text: str = ""
    failed: bool = False
    why: Why = Why.NONE
    no_time: bool = False  # ... because this box does not know the time
    held: dict[str, Judgement] = field(default_factory=dict)
    old_sins: tuple[Hit, ...] = ()
    built: build.Built | None = None


@dataclass(frozen=True, slots=True)
class Press:
    """Compiles and publishes for one run."""

    sources: tuple[Source, ...]
    policy: Policy
    probes: Probes
    blocklists: Path
    state_dir: Path
    keep: int
    now: Callable[[], float]
    step: Callable[[str], None]
    accepted: frozenset[str] = frozenset()  # sources whose sins a person has taken on

    def publish(self, staged: Mapping[str, Candidate], publishes: bool = True) -> Published:
        """Put a table of the staged copies, and the last good ones of all other sources, in force.

        Raises OSError where the disk is full and TableError where the table cannot be written; nothing changes then.
        """
        before = trial.in_force(self.state_dir)
        known = () if before is None else self._probe(before)
        outcome = Published(old_sins=known, held=self._crowding(staged))
        staged = {name: candidate for name, candidate in staged.items() if name not in outcome.held}
        for _ in range(ROUNDS):
            paths = {name: candidate.path for name, candidate in staged.items()}
            self.step(f"compiling {len(self.sources)} lists")
            read = {name: candidate.rules for name, candidate in staged.items() if candidate.rules is not None}
            outcome.built = built = build.compile_lists(
                self.sources, self.blocklists, self.state_dir, paths, read, outcome.built
            )
            unfit = {
                name: self._unfit(name, staged[name], built.refused[name]) for name in staged if name in built.refused
            }
            unfit |= {} if before is None else self._thinned(before, built, staged)
            if unfit:
                outcome.held |= unfit
                staged = {name: candidate for name, candidate in staged.items() if name not in unfit}
                continue
            if not built.has_sources:
                return _failed(outcome, Why.EMPTY, "no list is usable: what was in force stays")
            self.step("probing")
            table = build.table_of(built)
            hits = self._probe(table)
            guilty, fresh = self._blamed(hits, known, table, before, staged)
            if not guilty:
                break
            for name, sins in guilty.items():
                outcome.held[name] = self._judgement(sins, name, staged.pop(name))
        else:
            return _failed(outcome, Why.PROBE, f"{ROUNDS} tables were tried, and none is fit: what was in force stays")
        if before is not None:
            if fresh:
                why = Why.SENTINEL if fresh[0].kind == "block" else Why.PROBE
                more = f" (and {len(fresh) - 1} more)" if len(fresh) > 1 else ""
                wrong = trial.sentence(min(fresh, key=trial.well_known))
                text = f"{wrong}{more}; what was in force stays. {MEANT}; else turn the list off"
                return _failed(outcome, why, text)
            if lacking := self._lacking(before, built, staged):
                return _failed(outcome, Why.MISSING, f"{lacking}; what was in force stays. {MEANT}")
        if publishes and outcome.held and built.fingerprint == build.fingerprint_in_force(self.state_dir):
            outcome.text = "nothing changed but what is held"  # the same table again would push an older one out
        elif publishes:
            self.step("publishing")
            outcome.generation = build.publish(self.state_dir, built, int(self.now()), self.keep)
            outcome.old_sins = hits
        return outcome

    def _crowding(self, staged: Mapping[str, Candidate]) -> dict[str, Judgement]:
        """The copies that grew most, as long as the table would be too large for the memory of an update."""
        good = {source.id: _rules(lists.good(self.state_dir, source.id)) for source in self.sources}
        total = sum(_rules(staged[name].meta) if name in staged else rules for name, rules in good.items())
        growth = {name: _rules(candidate.meta) - good.get(name, 0) for name, candidate in staged.items()}
        held: dict[str, Judgement] = {}
        for name in sorted(growth.keys() - self.accepted, key=lambda name: -growth[name]):
            if total <= MAX_RULES or growth[name] <= 0:
                break
            text = (
                f"has {_rules(staged[name].meta):,} rules, and with it all lists {total:,}: more than {MAX_RULES:,} "
                "need more memory than an update has (MemoryMax of filterd-update.service)"
            )
            held[name] = Judgement(Outcome.HELD, Why.TOO_LARGE, text)
            total -= growth[name]
        return held

    def sins(self) -> tuple[Hit, ...]:
        """What the table in force does wrong."""
        table = trial.in_force(self.state_dir)
        return () if table is None else self._probe(table)

    def _blamed(
        self,
        hits: tuple[Hit, ...],
        known: tuple[Hit, ...],
        table: Table,
        before: Table | None,
        staged: Mapping[str, Candidate],
    ) -> tuple[dict[str, list[Hit]], list[Hit]]:
        """Whose new copy does what the table `before` did not, by source; and the hits that pupils would feel as new.

        One list more that closes a name is held also where another closes it already; one less is no new wrong.
        """
        guilty: dict[str, list[Hit]] = {}
        fresh = []
        felt = trial.wrongs(known)
        for hit in hits:
            is_new = not trial.wrongs((hit,)) <= felt
            if hit in known or not (is_new or hit.kind == "resolve"):
                continue
            names = set(suspects(hit, table, before))
            if names & self.accepted:
                continue
            for name in sorted(names & staged.keys()):
                guilty.setdefault(name, []).append(hit)
            if is_new:
                fresh.append(hit)
        return guilty, fresh

    def _lacking(self, before: Table, built: build.Built, staged: Mapping[str, Candidate]) -> str:
        """A list that is in the table in force and would be gone, or cut short by a bad disk; "" if there is none.

        Fewer entries than before are well where they came tonight and were judged, or where a person changed the file.
        """
        now = {source.id: source.entries for source in built.compiled.sources}
        wanted = {source.id: source.url.startswith("file:") for source in self.sources}
        for source in before.sources:
            name, entries = source.id, now.get(source.id)
            if name not in wanted or name in staged:
                continue
            if entries is None:
                why = built.refused.get(name, "its copy is gone")
                return f"{name} would be lost with its {source.entries:,} entries: {why}"
            if entries < source.entries and not wanted[name] and lists.good(self.state_dir, name) is None:
                return f"the copy of {name} is damaged: {entries:,} entries, the table in force {source.entries:,}"
        return ""

    def _thinned(self, before: Table, built: build.Built, staged: Mapping[str, Candidate]) -> dict[str, Judgement]:
        """New copies that repeat themselves where the copy in the table in force did not; the judge counts lines."""
        if tables.pinned(self.state_dir) is not None:
            return {}  # it is not made of the last good copies
        known = {source.id: source.entries for source in before.sources}
        rules = {source.id: source.entries for source in built.compiled.sources}
        found = {}
        for source in self.sources:
            name = source.id
            if name in staged and name not in self.accepted and name in known and name in rules:
                judgement = thinned(source, rules[name], known[name])
                if judgement is not None:
                    found[name] = judgement
        return found

    def _probe(self, table: Table) -> tuple[Hit, ...]:
        return probe(self.policy, table, self.probes, self.now())

    def _unfit(self, source: str, candidate: Candidate, text: str) -> Judgement:
        """Of a copy that the judge let pass, or a person, and that cannot be compiled all the same."""
        found = next(s for s in self.sources if s.id == source)
        why = Why.TOO_LARGE  # there are bounds that only the compiler has
        try:
            look(found, candidate.path, suffixes.load())
        except ListError as error:
            why = Why(error.why)
        return Judgement(Outcome.HELD, why, f"{text}: held, as no table can be made of it")

    def _judgement(self, hits: list[Hit], source: str, candidate: Candidate) -> Judgement:
        """Of all that speaks against a copy, names that people know first: one may be a small thing, fifty are not."""
        good = lists.good(self.state_dir, source)
        stays = "there is no copy of it in use" if good is None else f"the copy of {clock.shown(good.fetched_at)}"
        rest = f"held; {stays}{'' if good is None else ' stays in use'}"
        closed = sorted((hit for hit in hits if hit.kind == "resolve"), key=trial.well_known)
        if not closed:
            text = f"no longer lists {_some(hits)}, which {_for(hits[0])} must not reach"
            return Judgement(Outcome.HELD, Why.SENTINEL, f"{text}: {rest}")
        found = next(s for s in self.sources if s.id == source)
        try:
            lines = lines_of(found, candidate.path, closed[0].name, limit=1)
        except (FilterdError, OSError):
            lines = []
        where = f" (line {lines[0][0]}: {lines[0][1]})" if lines else ""
        return Judgement(Outcome.HELD, Why.PROBE, f"would block {_some(closed)} for {_for(closed[0])}{where}: {rest}")


def _some(hits: list[Hit]) -> str:
    """The first names, and how many more there are."""
    each = list(dict.fromkeys(hit.name for hit in hits))
    more = f" and {len(each) - SHOWN} more" if len(each) > SHOWN else ""
    return ", ".join(each[:SHOWN]) + more


def _for(hit: Hit) -> str:
    return ", ".join(hit.tiers)


def _failed(outcome: Published, why: Why, text: str) -> Published:
    outcome.failed, outcome.why, outcome.text = True, why, text
    return outcome


def _rules(meta: lists.Meta | None) -> int:
    """How many rules a copy has, as far as anybody counted."""
    return 0 if meta is None or meta.figures is None else meta.figures.entries + meta.figures.exceptions
