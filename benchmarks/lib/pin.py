"""Owns how processes are started: pinned to a CPU, in their own group, dying with the benchmark whatever happens."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from pathlib import Path
from typing import IO, Any

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

    return subprocess.Popen(command, preexec_fn=settle, start_new_session=True, **options)


def outputs(running: list[subprocess.Popen[str]], files: list[IO[str]]) -> list[str]:
    """Wait for each process and read the file it wrote to. Files, not pipes: nobody is held up by a slow reader."""
    texts = []
    for process, file in zip(running, files, strict=True):
        process.wait()
        with file:
            file.seek(0)
            texts.append(file.read())
    return texts


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
    """The processor's name as /proc/cpuinfo has it (x86 says "model name", a Raspberry Pi "Model")."""
    lines = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
    found = {key.strip(): value.strip() for key, _, value in lines}
    return found.get("model name") or found.get("Model") or "unknown processor"
