"""What the `crosscheck*` modules share: looking things up in the trees of several files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from filterd.config.yamltree import Path, Tree

Trees = Mapping[str, Tree]
Report = Callable[[str, Path, str], None]


def find(trees: Trees, file: str, pattern: str) -> Iterator[tuple[Path, Any]]:
    """`Tree.find` in a file; nothing if the file could not be read."""
    if file in trees:
        yield from trees[file].find(pattern)


def strings(value: Any) -> list[str]:
    """The texts in a list; none if it is no list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def parsed(parse: Callable[[str], str], value: Any) -> str | None:
    """A text in its normal form, or None for what `schema` complains about."""
    if not isinstance(value, str):
        return None
    try:
        return parse(value)
    except ValueError:
        return None


def below(name: str, zones: Mapping[str, Any]) -> str | None:
    """The closest of the zones that a name is in, or None."""
    while name:
        if name in zones:
            return name
        name = name.partition(".")[2]
    return None
