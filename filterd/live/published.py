"""What the writers have published and is in force: policy, table and overrides, each the last good one.

Reads and polls files; writes only the compiled policy. A bad new version is reported once and the old one stays.
Every process that decides builds its snapshots from here; in a DNS worker the parent says which files to take.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from filterd.config import files
from filterd.core.overrides import Overrides
from filterd.core.policy import Policy
from filterd.core.strict import while_time_is_unknown
from filterd.errors import ConfigError, TableError
from filterd.store import overrides as override_store
from filterd.store import policies, tables

log = logging.getLogger("filterd.live")

NO_TABLE = ""


@dataclass(slots=True)
class Published:
    """The generation in force. `table` is a verified directory under STATE/tables, or None for no table at all.

    `faults` says what is wrong now: input ("policy", "table", "overrides") to a message. It is empty when all is well.
    `earliest`: None while the box knows the time, else the earliest moment (Unix seconds) that can be now.
    """

    config_dir: Path
    state_dir: Path
    policy: Policy
    table: Path | None = None
    overrides: Overrides = field(default_factory=Overrides)
    faults: dict[str, str] = field(default_factory=dict)
    failed_reloads: dict[str, int] = field(default_factory=dict)
    swaps: int = 0
    earliest: float | None = None
    _table_seen: object = None
    _overrides_stat: object = None
    _config_seen: object = None
    _config_taken: object = None

    @property
    def generation(self) -> str:
        """The table's generation; "" without one."""
        return self.table.name if self.table is not None else NO_TABLE

    @property
    def overrides_in_force(self) -> Overrides:
        """The overrides; while the box does not know the time, what of them closes."""
        if self.earliest is None:
            return self.overrides
        return while_time_is_unknown(self.overrides, self.policy, self.earliest)

    def poll_state(self) -> bool:
        """Look at CURRENT and overrides.json; True if something new is in force."""
        return self._poll_table() | self._poll_overrides()

    def poll_config(self, at_once: bool = False) -> bool:
        """Look at the YAML files; a change is taken after two equal looks, and only as a whole valid set."""
        seen = files.signature(self.config_dir)
        settled = seen == self._config_seen
        self._config_seen = seen
        if not at_once and (seen == self._config_taken or not settled):
            return False
        self._config_taken = seen
        if files.digest(self.config_dir) == self.policy.digest:
            return self._clear("policy")
        try:
            self.policy = compile_policy(self.config_dir, self.state_dir)
        except ConfigError as error:
            self._fault("policy", f"{error}\nNothing was changed; in force: policy {self.policy.digest[:12]}.")
            return False
        self._clear("policy")
        self.swaps += 1
        log.info("policy %s is in force", self.policy.digest[:12])
        return True

    def recheck_table(self) -> bool:
        """Verify the table in force once more, because a worker died with it; True if another is in force now.

        With no good one left, workers that live keep what they have mapped and a new one starts without.
        """
        damaged = self.generation
        if not damaged:
            return False
        try:
            tables.verify(self.state_dir, damaged)
        except (TableError, OSError) as error:
            self.table = None
            changed = self._take_table([g for g in tables.generations(self.state_dir) if g != damaged])
            self._fault("table", f"{error}; in force: {self.generation or 'no table'}")
            return changed
        return False

    def _poll_table(self) -> bool:
        pointed = tables.pointed(self.state_dir)
        wanted = pointed or tables.current(self.state_dir) or NO_TABLE
        lost = bool(wanted) and not pointed
        gone = self.table is not None and not self.table.is_dir()
        if (wanted, lost, gone) == self._table_seen:
            return False
        self._table_seen = (wanted, lost, gone)
        if not wanted or (gone and wanted == self.generation):
            kept = f"in force until a restart: {self.generation}" if self.generation else "only policies/ block now"
            self._fault("table", f"there is no table; run 'filterd lists build'; {kept}")
            return False
        changed = self._take_table([wanted] + [g for g in tables.generations(self.state_dir) if g != wanted])
        if lost:
            self._fault("table", f"CURRENT is missing or damaged; in force: {self.generation or 'no table'}")
        elif self.generation == wanted:
            self._clear("table")
        return changed

    def _take_table(self, candidates: list[str]) -> bool:
        """Put the first good one in force; what is in force is better than anything behind it."""
        for generation in candidates:
            if generation == self.generation:
                break
            try:
                directory = tables.verify(self.state_dir, generation)
            except (TableError, OSError) as error:
                self._fault("table", f"{error}; in force: {self.generation or 'no table'}")
                continue
            log.info("table %s replaces %s", generation, self.generation or "no table")
            self.table = directory
            self.swaps += 1
            return True
        return False

    def _poll_overrides(self) -> bool:
        seen = override_store.stamp(self.state_dir)
        if seen == self._overrides_stat:
            return False
        self._overrides_stat = seen
        try:
            found = override_store.load(self.state_dir)
        except (OSError, ValueError) as error:
            self._fault("overrides", f"{error}; in force: sequence {self.overrides.sequence}")
            return False
        self._clear("overrides")
        changed, self.overrides = found != self.overrides, found
        self.swaps += changed
        return changed

    def _fault(self, what: str, message: str) -> None:
        self.failed_reloads[what] = self.failed_reloads.get(what, 0) + 1
        self.faults[what] = message
        log.error("%s", message)

    def _clear(self, what: str) -> bool:
        if self.faults.pop(what, None) is not None:
            log.info("%s is well again", what)
        return False


def compile_policy(config_dir: Path, state_dir: Path | None) -> Policy:
    """Validate the YAML and keep the result as the last good policy. Raises ConfigError with every mistake.

    pydantic and yaml are imported here, not above: a start with an unchanged configuration needs neither.
    """
    from filterd.config import load

    policy = load.load(config_dir)
    if state_dir is not None:
        try:
            policies.save(state_dir, policy)
        except OSError as error:
            log.error("cannot keep the compiled policy in %s: %s; it is in force until a restart", state_dir, error)
    return policy


def open_published(config_dir: Path, state_dir: Path) -> Published:
    """What is in force at start. Raises ConfigError only where there is no last good policy either."""
    kept: Policy | None
    try:
        kept = policies.load(state_dir)
    except (OSError, ValueError):
        kept = None
    problem: ConfigError | None = None
    if kept is None or kept.digest != files.digest(config_dir):
        try:
            kept = compile_policy(config_dir, state_dir)
        except ConfigError as error:
            if kept is None:
                raise
            problem = error
    assert kept is not None
    published = Published(config_dir, state_dir, kept)
    published._config_seen = published._config_taken = files.signature(config_dir)
    if problem is not None:
        published._fault("policy", f"{problem}\nServing the last good policy {kept.digest[:12]}.")
    published.poll_state()
    return published


def open_readonly(config_dir: Path, state_dir: Path) -> Published:
    """What the files of now say, for commands: writes nothing. Raises ConfigError with every mistake."""
    published = Published(config_dir, state_dir, compile_policy(config_dir, None))
    published.poll_state()
    return published
