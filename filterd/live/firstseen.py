"""The school's register of first-seen domains: the dns parent keeps it, every worker has a copy.

`Keeper` opens the file, merges what workers note and saves it. Workers learn the path and read the file by `open_seen`;
what comes up later they report and are told. Whatever happens to the file, its disk or the clock, the register goes on
or begins again with a learning period, and says so.
"""

from __future__ import annotations

import logging
import secrets
from pathlib import Path
from typing import Final

from filterd.core.firstseen import PER_DAY, SECRET_BYTES, FirstSeen, Noted, Register, entries_of
from filterd.core.policy import NewlySeen, Policy
from filterd.store import firstseen as store
from filterd.store import suffixes
from filterd.store.firstseen import Stored

log = logging.getLogger("filterd.live")

SAVE_S: Final = 600.0
RETRY_S: Final = 60.0
STRANGE_CLOCK_S: Final = 86400.0  # a clock that stays before the last day for so long is right, and that day was wrong


class Keeper:
    """The one writer of `STATE/dns/first-seen`. `path` is None while there is no register: then nothing is new.

    Moments called `now` are Unix seconds, for the day; `monotonic` seconds measure intervals. `problem` is "" or what
    is wrong. `fresh` are the entries a worker that just started may have missed in the file.
    """

    def __init__(self, state_dir: Path) -> None:
        self.problem = ""
        self.fresh: list[Noted] = []
        self._file = store.path(state_dir)
        self._stored: Stored | None = None
        self._days = 0
        self._unsaved: list[Noted] = []
        self._saved_day = 0
        self._taken_today = 0
        self._next_save = 0.0
        self._next_try = 0.0
        self._strange_since: float | None = None

    @property
    def path(self) -> str | None:
        return str(self._file) if self._stored is not None else None

    @property
    def size(self) -> int:
        """How many domains the register holds."""
        return self._stored.register.size if self._stored is not None else 0

    def follow(self, configured: NewlySeen | None, now: float, monotonic: float) -> bool:
        """Open, close, roll and save as policy and clocks say; True if workers have to read the file anew."""
        if configured is None:
            closed = self._stored is not None
            self.save()
            self._stored, self.problem = None, ""
            return closed
        self._days = configured.days
        if self._stored is None:
            return self._open(day_of(now), monotonic)
        if self._roll(day_of(now), monotonic):
            return self._begin_again(day_of(now), monotonic)
        if monotonic >= self._next_save:
            self._next_save = monotonic + SAVE_S
            self.save()
        return False

    def take(self, noted: list[Noted]) -> list[Noted]:
        """Merge a worker's report; what of it is news for the other workers."""
        if self._stored is None:
            return []
        register = self._stored.register
        room = PER_DAY - self._taken_today  # a flood of names is one school's, however many workers it met
        news = [(value, day) for value, day in noted[: max(room, 0)] if register.add(value, day)]
        self._taken_today += len(news)
        self._unsaved += news
        self.fresh += news
        return news

    def save(self) -> None:
        """Write what is not written yet; after a failure the next call tries again."""
        stored = self._stored
        if stored is None or not (self._unsaved or stored.register.last != self._saved_day):
            return
        try:
            store.append(self._file, stored, entries_of(self._unsaved))
        except OSError as error:
            self._fail(f"first-seen domains are not saved: {error}; {len(self._unsaved)} wait in memory")
            return
        self.problem = ""
        self.fresh = self._unsaved  # a worker may have read the file just before
        self._unsaved = []
        self._saved_day = stored.register.last

    def _open(self, day: int, monotonic: float) -> bool:
        if monotonic < self._next_try:
            return False
        try:
            stored = store.load(self._file)
        except FileNotFoundError:
            log.info("first-seen domains: learning begins; for %d days nothing is new", self._days)
            return self._begin(day, monotonic)
        except (OSError, ValueError) as error:
            self._fail(f"the register of first-seen domains cannot be used: {error}; learning begins again")
            return self._begin(day, monotonic)
        if stored.damaged:
            log.error("first-seen domains: the end of the register was damaged; what was before it is kept")
        self._stored = stored
        self._saved_day = stored.register.last
        if stored.blocks > store.MANY_BLOCKS:
            try:
                self._stored = store.create(self._file, stored.register)
            except OSError as error:
                log.error("first-seen domains: the register stays in %d pieces: %s", stored.blocks, error)
        self._opened(monotonic)
        self._roll(day, monotonic)
        return True

    def _begin(self, day: int, monotonic: float) -> bool:
        try:
            self._stored = store.create(self._file, Register(secrets.token_bytes(SECRET_BYTES), day))
        except OSError as error:
            self._next_try = monotonic + RETRY_S
            self._fail(f"no register of first-seen domains can be made: {error}; nothing is new")
            return False
        self._saved_day = day
        self._opened(monotonic)
        return True

    def _begin_again(self, day: int, monotonic: float) -> bool:
        log.warning("first-seen domains: learning begins again; for %d days nothing is new", self._days)
        self._stored = None
        return self._begin(day, monotonic)

    def _opened(self, monotonic: float) -> None:
        self._unsaved, self.fresh = [], []
        self._strange_since = None
        self._next_save = monotonic + SAVE_S

    def _roll(self, day: int, monotonic: float) -> bool:
        """Tell the register the day; True if it has to begin again: full, or the clock says for long it is wrong."""
        assert self._stored is not None
        register = self._stored.register
        if day > register.last:
            self._taken_today = 0
        register.roll(day)
        if register.full:
            self._fail(f"the register of first-seen domains is full ({register.size}): learning begins again")
            return True
        if register.trusted:
            self._strange_since = None
            return False
        if self._strange_since is None:
            self._strange_since = monotonic
            log.warning("first-seen domains: the clock is not believed; nothing is noted until it is right")
        ahead_while_learning = day > register.last and register.learning(self._days)
        return ahead_while_learning or monotonic - self._strange_since > STRANGE_CLOCK_S

    def _fail(self, problem: str) -> None:
        if problem != self.problem:
            log.error("%s", problem)
        self.problem = problem


def open_seen(path: str | None, policy: Policy, now: float, before: FirstSeen | None = None) -> FirstSeen | None:
    """A worker's view of the register in a file; `before` itself where nothing changed. None: nothing is new.

    A register that is in memory already goes on there: the file is behind it.
    """
    new = policy.newly_seen
    if path is None or new is None:
        return None
    try:
        known = before is not None and before.register.secret == store.secret_of(Path(path))
        register = before.register if before is not None and known else store.load(Path(path)).register
    except (OSError, ValueError) as error:
        log.error("first-seen domains: %s: %s; %s", path, error, "nothing is new" if before is None else "going on")
        return before
    own = own_zones(policy)
    if before is not None and known and (before.days, before.sites.own) == (new.days, own):
        return before
    register.roll(day_of(now))
    sites = before.sites if before is not None and before.sites.own == own else suffixes.sites(own)
    return FirstSeen(register, sites, new.days)


def open_readonly(state_dir: Path, policy: Policy, now: float) -> tuple[FirstSeen | None, str]:
    """What the file of now says, for commands, and what is wrong with it, or "". What workers noted in the last minutes
    is not in it yet, and is as new as what nobody asked for.
    """
    new, file = policy.newly_seen, store.path(state_dir)
    if new is None:
        return None, ""
    try:
        register = store.load(file).register
    except FileNotFoundError:
        return None, ""
    except (OSError, ValueError) as error:
        return None, f"first-seen domains: {error}; here nothing counts as new"
    register.roll(day_of(now))
    return FirstSeen(register, suffixes.sites(own_zones(policy)), new.days), ""


def own_zones(policy: Policy) -> tuple[str, ...]:
    """Zones whose names are the school's own, never new: local ones, that of the leases, those with their own route."""
    local = policy.local
    leases = (local.leases.domain,) if local.leases is not None else ()
    return (*local.zones, *leases, *(route.zone for route in policy.routes))


def day_of(now: float) -> int:
    """Whole days since 1970, within the two bytes that an entry has for them."""
    return min(max(int(now // 86400), 0), 0xFFFF)
