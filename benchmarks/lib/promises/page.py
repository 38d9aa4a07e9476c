"""Owns results/<date>-promises.json, one entry a part, and the page made of it. Only `keep` writes them."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from lib import report
from lib.promises.lines import Line

_TITLES = ("promise", "what was done", "figure", "target", "")


def text(line: Line) -> str:
    """One line for the terminal."""
    return f"{line.verdict:<8} {line.name}: {line.figure} (target {line.target}); {line.done}"


def keep(folder: Path, part: str, lines: list[Line], took_s: float, load: float, nice: int) -> Path:
    """Put a part's lines in the place of its earlier ones."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{datetime.datetime.now(tz=datetime.UTC).date().isoformat()}-promises"
    path = folder / f"{stem}.json"
    parts: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    parts[part] = {
        "at": datetime.datetime.now(tz=datetime.UTC).strftime("%H:%M"),
        "commit": _commit(),
        "took_s": round(took_s),
        "nice": nice,
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        "lines": [dataclasses.asdict(line) for line in lines],
    }
    path.write_text(json.dumps(parts, indent=1, ensure_ascii=False) + "\n")
    page = folder / f"{stem}.md"
    page.write_text(_page(stem, parts))
    return page


def _page(stem: str, parts: dict[str, Any]) -> str:
    settings = {key: value for key, value in report.machine().items() if key in ("machine", "kernel", "Python", "CPUs")}
    out = [f"# Promises, {stem.removesuffix('-promises')}", "", _rows(("setting", "value"), settings.items()), ""]
    for name, part in sorted(parts.items()):
        run = f"`python benchmarks/promises.py --only {name} --nice {part['nice']}`: {part['at']}, {part['took_s']} s"
        run += f", commit {part['commit']}"
        load = f"load average {part['load'][0]} before and {part['load'][1]} after"
        out += [f"## {name}", "", f"{run}, {load}.", ""]
        lines = [Line(**line) for line in part["lines"]]
        out += [_rows(_TITLES, ((one.name, one.done, one.figure, one.target, one.verdict) for one in lines)), ""]
    return "\n".join(out)


def _rows(titles: tuple[str, ...], rows: Any) -> str:
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |" for cells in lines)


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    return done.stdout.strip() or "unknown"
