"""How the commands about lists write on a terminal of 80 columns: lines, ages, shares, commands to copy."""

from __future__ import annotations

import shlex
import textwrap
from pathlib import Path
from typing import Final

from filterd.cli.options import default_config_dir

WIDTH: Final = 80


def wrapped(text: str, indent: str = "    ") -> str:
    """A paragraph; what fits into a line stays whole, so that paths and names can be copied."""
    return textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def cut(text: str) -> str:
    """One line, without what does not fit."""
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def age(seconds: float) -> str:
    """A time span in its largest unit that is at least two: `40 h`, `3 d`."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def share(new: int, old: int) -> str:
    """How far a number is from the one before: `+1.2 %`."""
    return "as before" if new == old else f"{(new - old) / old:+.1%}".replace("%", " %") if old else "new"


def flags(config_dir: Path, state_dir: Path | None) -> str:
    """What a command to copy needs to mean the same school; "" where the defaults do."""
    found = [] if config_dir == default_config_dir() else ["-c", str(config_dir)]
    found += [] if state_dir is None else ["--state-dir", str(state_dir)]
    return "".join(f" {shlex.quote(word)}" for word in found)
