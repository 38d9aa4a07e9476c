"""Owns what /proc says about a server: CPU time and memory of a process with all its children and threads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True)
class Memory:
    """Bytes of one process: pages nobody shares (`private`), those of them that are no file's (`dirty`), all pages.

    A mapped table counts as private, though not dirty, while one worker alone maps it.
    """

    command: str
    private: int
    dirty: int
    resident: int


def tree(pid: int) -> list[int]:
    """`pid` and all processes below it, parents first."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for parent in found:  # grows while it is walked
        found += children.get(parent, [])
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of `pid`, its threads and its living children so far, in seconds (10 ms steps)."""
    stats = filter(None, map(_stat, tree(pid)))
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / _TICKS


def memory(pid: int) -> list[Memory]:
    """Memory of `pid` and each process below it."""
    return [_memory(one) for one in tree(pid)]


def _memory(pid: int) -> Memory:
    sizes = {}
    for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]:
        key, value = line.split(":")
        sizes[key] = int(value.split()[0]) * 1024
    command = (_PROC / str(pid) / "comm").read_text().strip()
    dirty = sizes["Private_Dirty"]
    return Memory(command, sizes["Private_Clean"] + dirty, dirty, sizes["Rss"])


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on (proc(5)); empty when the process has gone."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()  # the command before it may hold spaces and brackets
