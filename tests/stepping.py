"""Kills a process, or fails its disk, at any one of its steps: what a power cut and a full disk do, by strace.

A helper process imports everything once and forks a child for each try, so that a try takes some hundredths of a second
and the steps counted are those of the work alone.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple, Self

STEPS = "openat,write,pwrite64,fsync,fdatasync,fchmod,chmod,fchmodat,mkdir,rmdir,link,linkat,rename,renameat,renameat2"
STEPS += ",unlink,unlinkat,utimensat,ftruncate,sendfile,copy_file_range"
FAILED = 7  # the work ended with an error that it may end with
_CALL = re.compile(r"^(\w+)\((.*)")
_SERVER = """
import importlib, os, signal, sys
module = importlib.import_module(sys.argv[1])
for line in sys.stdin:
    name, state = line.rstrip("\\n").split("\\t")
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
        try:
            getattr(module, name)(module.Path(state))
        except module.EXPECTED as error:
            os._exit(7)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.waitpid(pid, os.WUNTRACED)
    print(pid, flush=True)
    print(os.waitpid(pid, 0)[1], flush=True)
"""


class Step(NamedTuple):
    """The `at`-th call of a system call, from 1."""

    call: str
    at: int

    def __str__(self) -> str:
        return f"{self.call} {self.at}"


class Stepper:
    """Runs functions `name(state)` of a test module, each time in a process of its own."""

    def __init__(self, module: str) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-c", _SERVER, module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate()

    def steps(self, name: str, state: Path, log: Path) -> list[Step]:
        """Every step of the work that writes, in order; the work is done."""
        assert self._run(name, state, "-o", str(log), "-e", f"trace={STEPS}") == 0
        counts: Counter[str] = Counter()
        found = []
        for line in log.read_text(errors="replace").splitlines():
            call = _CALL.match(line)
            if call is None:
                continue
            counts[call[1]] += 1
            if call[1] != "openat" or "O_CREAT" in call[2]:
                found.append(Step(call[1], counts[call[1]]))
        return found

    def kill(self, name: str, state: Path, step: Step) -> None:
        """Do the work until just before a step."""
        status = self._run(name, state, "-o", "/dev/null", "-e", f"inject={step.call}:signal=KILL:when={step.at}")
        assert status == signal.SIGKILL, f"not killed at {step}: {status}"

    def fail(self, name: str, state: Path, step: Step, error: str = "ENOSPC", onwards: bool = False) -> int:
        """Do the work while a step fails, or each such step from there on; gives the exit code."""
        when = f"{step.at}{'+' if onwards else ''}"
        status = self._run(name, state, "-o", "/dev/null", "-e", f"inject={step.call}:error={error}:when={when}")
        return os.waitstatus_to_exitcode(status)

    def _run(self, name: str, state: Path, *options: str) -> int:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(f"{name}\t{state}\n")
        self._server.stdin.flush()
        pid = int(self._server.stdout.readline())
        command = ["strace", *options, "-p", str(pid)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
            assert strace.stderr is not None
            said = strace.stderr.readline()
            os.kill(pid, signal.SIGCONT)
            status = int(self._server.stdout.readline())
            strace.stderr.read()
        assert "attached" in said, said
        return status


def can_trace() -> bool:
    """Whether strace is here and may look at a child of ours."""
    try:
        return subprocess.run(["strace", "-o", "/dev/null", "true"], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False
