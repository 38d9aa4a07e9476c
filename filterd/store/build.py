"""From the copies on disk to a published table: what `lists build` and the nightly update both do.

A list that must not be used never stops the others; what went missing since the last generation is said by name. The
update compiles its downloads in place of the last good copies, has the table probed in memory, and publishes it then.
Nothing is fetched and nothing is printed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filterd.core.compiler import Compiled, Input, Read, compile_table, without
from filterd.core.source import Source
from filterd.core.table import Table, TableSource
from filterd.errors import ListError, TableError
from filterd.store import identity, lists, suffixes, tables
from filterd.store.shelf import Copy

_NOTHING: Mapping[str, Path] = {}
_UNREAD: Mapping[str, Read] = {}


@dataclass(slots=True)
class Built:
    """A table and what became of every list. `generation` is None until it is published; `fingerprint` says what the
    table is made of.
    """

    compiled: Compiled
    fingerprint: str
    copies: dict[str, Copy] = field(default_factory=dict)  # what was read, by source id
    wanted: Sequence[Source] = ()
    staged: Mapping[str, Path] = field(default_factory=dict)
    generation: str | None = None
    no_copy: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)  # source id to reason
    lost: list[str] = field(default_factory=list)  # in the generation before, not in this one, and still wanted

    @property
    def has_sources(self) -> bool:
        """Whether any list was usable: without one there is nothing to publish."""
        return bool(self.compiled.sources)

    def still_holds(self, blocklists: Path, state_dir: Path) -> bool:
        """Whether everything it is made of is on disk as it was."""
        return fingerprint(self.wanted, blocklists, state_dir, self.staged) == self.fingerprint


def build(sources: Iterable[Source], blocklists: Path, state_dir: Path, now: int, keep: int = tables.KEEP) -> Built:
    """Compile every enabled source that has a copy and publish the table, if any was usable. `now` is Unix seconds.

    Raises TableError when the table cannot be written; nothing changes then.
    """
    built = compile_lists(sources, blocklists, state_dir)
    if built.has_sources:
        publish(state_dir, built, now, keep)
    return built


def compile_lists(
    sources: Iterable[Source],
    blocklists: Path,
    state_dir: Path,
    staged: Mapping[str, Path] = _NOTHING,
    read: Mapping[str, Read] = _UNREAD,
    before: Built | None = None,
) -> Built:
    """Compile every enabled source that has a copy; nothing is published. `staged`: source id to the file to take in
    place of its copy; `read`: what was read of these files already.

    `before`: the outcome of another call under the same lock; what it read of downloads and copies is not read again.
    """
    wanted = [source for source in sources if source.enabled]
    made_of = fingerprint(wanted, blocklists, state_dir, staged)  # before it is read: what changes later is seen then
    in_force = sources_in_force(state_dir)
    no_copy: list[str] = []
    refused: dict[str, str] = {}
    copies: dict[str, Copy] = {}
    with lists.Shelf() as shelf:
        inputs = []
        for source in wanted:
            try:
                copy = _locate(source, blocklists, state_dir, staged)
                if isinstance(copy, ListError):
                    raise copy
                if copy is None:
                    no_copy.append(source.id)
                    continue
                inputs.append(_known(copy, read, before) or shelf.take(copy))
                copies[source.id] = copy
            except ListError as error:
                refused[source.id] = str(error)
        if before is not None and _only_less(copies, refused, before) and before.still_holds(blocklists, state_dir):
            compiled = without(before.compiled, before.copies.keys() - copies.keys())
        else:
            compiled = compile_table(shelf.in_reading_order(inputs), suffixes.load())
    compiled.refused = refused = {**refused, **compiled.refused}
    used = {source.id for source in compiled.sources}
    lost = [source.id for source in wanted if source.id in in_force and source.id not in used]
    return Built(compiled, made_of, copies, wanted, staged, no_copy=no_copy, refused=refused, lost=lost)


def publish(state_dir: Path, built: Built, now: int, keep: int = tables.KEEP) -> str:
    """Put a compiled table in force; gives its generation. Raises TableError; nothing changes then."""
    built.generation = tables.publish(state_dir, built.compiled, now, keep, built.fingerprint)
    return built.generation


def table_of(built: Built) -> Table:
    """The table as it would be in force, in memory: to probe before anyone uses it."""
    found = built.compiled
    return Table(
        found.trie,
        found.ids,
        found.sets,
        found.sources,
        generation="",
        built_at=0,
        names=found.names,
        bounds=found.bounds,
    )


def fingerprint(
    sources: Iterable[Source], blocklists: Path, state_dir: Path, staged: Mapping[str, Path] = _NOTHING
) -> str:
    """A hash of everything a table of these sources would be made of: their settings, and the bytes of each copy.

    Compare it with `fingerprint_in_force`: the same means that a build would change nothing.
    """
    known = identity.Identities()
    return known.of_all((each, _locate(each, blocklists, state_dir, staged)) for each in sources if each.enabled)


def fingerprint_in_force(state_dir: Path) -> str | None:
    """That of the table in force; None without one, or where it is damaged or was not compiled here."""
    generation = tables.current(state_dir)
    if generation is None:
        return None
    try:
        tables.verify(state_dir, generation)
        return tables.fingerprint_of(state_dir, generation) or None
    except (TableError, OSError):
        return None


def _locate(source: Source, blocklists: Path, state_dir: Path, staged: Mapping[str, Path]) -> identity.Located:
    """The copy to read, None without one, or why it cannot be."""
    try:
        if source.id in staged:
            return lists.staged_copy(source, staged[source.id])
        return lists.locate(source, blocklists, state_dir)
    except OSError as error:
        return ListError(f"{source.id} cannot be read: {error.strerror or error}")
    except ListError as error:
        return error


def _only_less(copies: Mapping[str, Copy], refused: Mapping[str, str], before: Built) -> bool:
    """Whether every list is one that was compiled before, byte for byte, and only some of those are gone."""
    known = before.copies.get
    return all(known(name) == copy for name, copy in copies.items()) and refused.keys() <= before.refused.keys()


def _known(copy: Copy, read: Mapping[str, Read], before: Built | None) -> Input | None:
    """What was read of the same copy before; never of a file that people may edit meanwhile."""
    name = copy.source.id
    if name in read:
        return Input(copy.source, tuple, copy.time, known=read[name])
    if before is None or copy.source.url.startswith("file:") or before.copies.get(name) != copy:
        return None
    known = before.compiled.reads.get(name)
    return None if known is None else Input(copy.source, tuple, copy.time, known=known)


def sources_in_force(state_dir: Path) -> dict[str, TableSource]:
    """The sources of the table in force by id; of the newest sound one where it is damaged, as servers fall back."""
    generation = tables.sound(state_dir)
    if generation is None:
        return {}
    try:
        return {source.id: source for source in tables.sources_of(state_dir, generation)}
    except TableError:
        return {}
