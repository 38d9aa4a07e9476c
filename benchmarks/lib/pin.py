"""Owns how processes are started: pinned to a CPU, in their own group, dying with the benchmark whatever happens."""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
from pathlib import Path
from typing import Any

_CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU = _CPUS[0]
LOAD_CPU = _CPUS[-1]  # the same one on a machine with a single CPU; the report says so
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def spawn(command: list[str], cpu: int, **options: Any) -> subprocess.Popen[Any]:
    """Start `command` on one CPU; the kernel kills it when this process dies."""

    def settle() -> None:
        os.sched_setaffinity(0, {cpu})
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return subprocess.Popen(command, preexec_fn=settle, start_new_session=True, **options)  # noqa: PLW1509


def outputs(running: list[subprocess.Popen[str]]) -> list[str]:
    """Standard output of each process, read side by side so that none blocks on a full pipe."""
    chunks: dict[int, list[bytes]] = {process.pid: [] for process in running}
    with selectors.DefaultSelector() as selector:
        for process in running:
            assert process.stdout
            selector.register(process.stdout, selectors.EVENT_READ, process.pid)
        while selector.get_map():
            for key, _ in selector.select():
                data = os.read(key.fd, 1 << 16)
                if data:
                    chunks[key.data].append(data)
                else:
                    selector.unregister(key.fileobj)
    for process in running:
        process.wait()
        assert process.stdout
        process.stdout.close()
    return [b"".join(chunks[process.pid]).decode() for process in running]


def stop(process: subprocess.Popen[Any], grace_s: float = 5.0) -> None:
    """End a process and all of its group: politely, then not."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def cpu_model() -> str:
    """The processor's name as /proc/cpuinfo has it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.lower().startswith(("model name", "model\t")):
            return line.partition(":")[2].strip()
    return "unknown"
