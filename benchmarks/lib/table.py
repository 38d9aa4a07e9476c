"""Bytes a name of the compiled table on real lists, as benchmarks/table_build.py measures it."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from lib.sections import Sample

HERE = Path(__file__).parent.parent
SCRIPT = HERE / "table_build.py"
LISTS = HERE.parent.parent / "shared" / "data" / "lists.tar.xz"


def sizes() -> list[Sample]:
    """One sample with `bytes_per_name`, or none, saying why, where the real lists are missing."""
    if not LISTS.exists():
        print(f"without the size of the table: {LISTS} is not there")
        return []
    with tempfile.TemporaryDirectory(prefix="filterd-bench-") as scratch:
        subprocess.run(["tar", "-xJf", str(LISTS), "-C", scratch], check=True)
        command = [sys.executable, str(SCRIPT), "--names", "0", "--lists", str(Path(scratch) / "lists")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [parse(done.stdout)]


def parse(table: str) -> Sample:
    """The row of the real lists. Raises ValueError where there is none."""
    lines = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines() if "|" in line]
    row = next((cells for cells in lines if cells[0] == "real lists"), None)
    if row is None:
        raise ValueError(f"no row of real lists in {table!r}")
    titles = table.splitlines()[0].strip("|\n ").split("|")
    titles = ["what", *(title.strip() for title in titles if title.strip())]
    cells = dict(zip(titles, row, strict=True))
    names, total = int(cells["names"].replace(",", "")), float(re.sub(r"[^0-9.]", "", cells["in all"]))
    values = {"bytes_per_name": total, "trie": float(re.sub(r"[^0-9.]", "", cells["trie"]))}
    return Sample("table", "filterd", names, 0, 0, values, "real lists, trie, sets and description")
