"""What it costs to look at a downloaded list before anything else is done with it.

    python benchmarks/list_look.py --lists DIR [--rounds 3]

`DIR` holds unpacked lists as the projects publish them. CPU time, the best of the rounds for each list, next to that of
parsing the same list for the table; archives are open already and read from front to back. Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from table_build import REAL

from filterd.core.rules import Suffixes, parse
from filterd.core.source import Source
from filterd.store import suffixes
from filterd.store.shelf import Copy, Shelf
from filterd.update.look import look

Work = Callable[..., int]


def copy_of(source: Source, path: Path) -> Copy:
    return Copy(source, path, 0, path.is_dir() or source.member is not None)


def parsed(source: Source, path: Path, known: Suffixes, shelf: Shelf) -> int:
    taken = shelf.take(copy_of(source, path))
    rules, report = parse(taken.read(), source, known, taken.include)
    for _ in rules:
        pass
    return report.lines


def looked_at(source: Source, path: Path, known: Suffixes, shelf: Shelf) -> int:
    return look(source, path, known, shelf).lines


def cpu_time(work: Work, *arguments: Any) -> tuple[float, int]:
    started = time.process_time()
    lines = work(*arguments)
    return time.process_time() - started, lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lists", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    known = suffixes.load()
    paths = {f"list-{number}": options.lists / name for number, (name, *_) in enumerate(REAL)}
    sources = [
        Source(f"list-{number}", member or name, f"https://x/{name}", form, category, "", member=member, min_entries=0)
        for number, (name, form, category, member) in enumerate(REAL)
    ]
    seconds: dict[tuple[str, Work], list[float]] = {}
    lines = {}
    with Shelf() as shelf:
        ordered = shelf.in_reading_order(shelf.take(copy_of(source, paths[source.id])) for source in sources)
        for _ in range(options.rounds):
            for work in (looked_at, parsed):
                for source in (each.source for each in ordered):
                    took, lines[source.id] = cpu_time(work, source, paths[source.id], known, shelf)
                    seconds.setdefault((source.id, work), []).append(took)
    print("| list | lines | look, us a line | parse, us a line |\n|---|---|---|---|")
    for source in sources:
        show(source.name, lines[source.id], *(min(seconds[source.id, work]) for work in (looked_at, parsed)))
    totals = [sum(min(seconds[source.id, work]) for source in sources) for work in (looked_at, parsed)]
    show("**all**", sum(lines.values()), *totals)


def show(name: str, lines: int, look_s: float, parse_s: float) -> None:
    print(f"| {name} | {lines:,} | {1e6 * look_s / lines:.2f} | {1e6 * parse_s / lines:.2f} |")


if __name__ == "__main__":
    main()
