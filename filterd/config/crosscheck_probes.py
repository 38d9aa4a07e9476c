"""What must hold of probes.yaml: no name twice, and none that must resolve and be blocked at once."""

from __future__ import annotations

from collections.abc import Iterator

from filterd.config import compile_probes, units
from filterd.config.across import Report, Trees, find, parsed, strings
from filterd.config.yamltree import Path

FILE = "probes.yaml"


def check(trees: Trees, report: Report) -> None:
    """Every mistake, at the place where it stands."""
    if FILE not in trees:
        return
    _reserved(trees, report)
    _categories(trees, report)
    _names(trees, report)


def _reserved(trees: Trees, report: Report) -> None:
    own = [group.id for group in compile_probes.OWN]
    for kind in ("must_resolve", "quality"):
        for path, ident in find(trees, FILE, f"{kind}.*.id"):
            if ident in own:
                report(FILE, path, f"{units.shown(ident)} is a group that fills by itself; choose another id")


def _categories(trees: Trees, report: Report) -> None:
    first: dict[str, Path] = {}
    for path, category in find(trees, FILE, "must_block.*.category"):
        if isinstance(category, str) and first.setdefault(category, path) != path:
            line = trees[FILE].line(first[category])
            report(FILE, path, f"{units.shown(category)} is there already, in line {line}; put all its names together")


def _names(trees: Trees, report: Report) -> None:
    """Names of must_resolve are in quality by themselves, so once is enough between the two."""
    open_names = _first(trees, report, [*_places(trees, "must_resolve"), *_places(trees, "quality")])
    for at, group in find(trees, FILE, "must_block.*"):
        category = group.get("category") if isinstance(group, dict) else None
        _first(trees, report, _names_of(trees, at))
        for path, name in _names_of(trees, at):
            other = open_names.get(name)
            if other is None or other[0] != "must_resolve":
                continue
            if category not in strings(trees[FILE].get(*other[:2], "unless")):
                line = trees[FILE].line(other)
                report(FILE, path, f"{name!r} must also resolve (line {line}), and that group says no `unless` for it")


def _first(trees: Trees, report: Report, places: list[tuple[Path, str]]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path, name in places:
        if name in found:
            report(FILE, path, f"{name!r} is there already, in line {trees[FILE].line(found[name])}; once is enough")
        found.setdefault(name, path)
    return found


def _places(trees: Trees, kind: str) -> Iterator[tuple[Path, str]]:
    for at, _ in find(trees, FILE, f"{kind}.*"):
        yield from _names_of(trees, at)


def _names_of(trees: Trees, at: Path) -> list[tuple[Path, str]]:
    """The names of one group, in their normal form; what is none is `schema`'s to tell."""
    group = trees[FILE].get(*at)
    said = group.get("names") if isinstance(group, dict) else None
    both = [
        ((*at, "names", i), parsed(units.domain, name)) for i, name in enumerate(said if isinstance(said, list) else [])
    ]
    return [(path, name) for path, name in both if name is not None]
