"""Which line of a list speaks about a name: what a technician tells its maintainers, or looks at with an editor.

Reads the one copy that is asked about once more, from its start to its end.
"""

from __future__ import annotations

from pathlib import Path

from filterd.core import names
from filterd.core.rules.model import BELOW, COVERS_MASK, EXCEPTION
from filterd.core.rules.parse import located
from filterd.core.rules.report import shown
from filterd.core.source import Source
from filterd.store import lists, suffixes

MAX_LINES = 20  # of one list about one name


def lines_of(source: Source, path: Path, name: str, limit: int = MAX_LINES) -> list[tuple[str, str]]:
    """(where, text) of the first lines that block a name, in the list's order; where is "12", or "data/x:12" inside an
    archive. `path` is a copy of the source; `name` is in normal form or `*.` and one. Raises ListError, OSError.
    """
    key = names.key_of_text(name)
    covering = {*names.ancestors(key), key + names.EXACT}
    found: dict[str, str] = {}
    with lists.Shelf() as shelf:
        each = shelf.take(lists.staged_copy(source, path))
        for (rule, code), where, line in located(each.read(), source, suffixes.load(), each.include):
            if rule in covering and not code & EXCEPTION and not (rule == key and code & COVERS_MASK == BELOW):
                found[where] = shown(line.strip())
                if len(found) == limit:
                    break
    return list(found.items())
