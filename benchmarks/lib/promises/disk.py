"""A disk without a free byte (P16): the state directory on a full tmpfs, in a mount namespace of this part's own.

`run` starts this module there as a process; what it saw comes back as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lib.promises.lines import Line, Size, missing

BENCHMARKS = Path(__file__).parent.parent.parent
RATE = 1_000
TARGET = "0 lost, p99 unchanged"
NEWLY_SEEN = "newly_seen: {category: games, days: 7}\n"


def run(size: Size) -> Iterator[Line]:
    if os.geteuid() != 0:
        yield missing("disk", "a mount namespace of its own needs root", TARGET)
        return
    program = f"import sys; sys.path[:0] = {[str(BENCHMARKS), str(BENCHMARKS.parent)]}; "
    program += f"from lib.promises import disk; disk.main({size.seconds(15.0, 1.5)})"
    command = ["unshare", "-m", sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        yield missing("disk", f"it could not be run: {done.stderr.strip()[-200:]}", TARGET)
        return
    seen = json.loads(done.stdout.splitlines()[-1])
    what = f"{RATE} queries/s for {seen['seconds']:g} s (new names too, `newly_seen` on), {seen['free']} bytes free; "
    what += "SIGHUP, a new policy, a stop"
    figure = f"{seen['lost']} lost of {seen['sent']:,}, {seen['failed']} SERVFAIL, p99 {seen['p99_ms']:.2f} ms (before "
    figure += f"{seen['quiet_ms']:.2f} ms); blocked names {'stay' if seen['blocked'] else 'do NOT stay'} blocked, "
    figure += f"answered after a restart on the full disk: {'yes' if seen['again'] else 'NO'}"
    calm = seen["p99_ms"] <= max(2 * seen["quiet_ms"], seen["quiet_ms"] + 5)
    held = seen["lost"] + seen["failed"] == 0 and seen["blocked"] and seen["again"]
    yield Line("disk, no byte free", what, figure, TARGET, held and calm)


def main(seconds: float) -> None:
    """In the namespace: prints one line of JSON."""
    from lib.promises import speaker, stage
    from tests.running import Server

    with tempfile.TemporaryDirectory() as directory, stage.school(stage.UNLIMITED + NEWLY_SEEN) as (config, state):
        copy = Path(directory) / "state"
        copy.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(copy)], check=True)
        try:
            subprocess.run(["cp", "-a", f"{state}/.", str(copy)], check=True)
            with stage.Backend() as upstream:
                with Server(config, copy, upstreams=(upstream.url,), before=stage.alone) as server:
                    seen = _measure(server, config, copy, seconds)
                with Server(config, copy, upstreams=(upstream.url,), before=stage.alone) as server:
                    seen["again"] = stage.address(server.port, "again.example.org") == speaker.GOOD
            print(json.dumps(seen | {"seconds": seconds}))
        finally:
            subprocess.run(["umount", "-l", str(copy)], check=True)


def _measure(server: object, config: Path, state: Path, seconds: float) -> dict[str, float]:
    from lib.promises import stage
    from tests.running import Server

    assert isinstance(server, Server)
    stage.warm(server)
    quiet = stage.ask(server.port, stage.FILES.mix(9), stage.SOURCES[0], RATE * 8 // 10, seconds / 3).finish()
    fill(state / "fill")
    free = os.statvfs(state).f_bavail
    known = stage.ask(server.port, stage.FILES.mix(10), stage.SOURCES[0], RATE * 8 // 10, seconds)
    new = stage.ask(server.port, stage.FILES.miss(10), stage.SOURCES[1], RATE * 2 // 10, seconds)
    time.sleep(seconds / 3)
    server.process.send_signal(signal.SIGHUP)
    names = config / "policies/names.yaml"
    names.write_text(names.read_text(encoding="utf-8") + "  - newly-blocked.example\n", encoding="utf-8")
    time.sleep(seconds / 3)
    told, missed = known.finish(), new.finish()
    return {
        "free": free * os.statvfs(state).f_frsize,
        "sent": told.sent + missed.sent,
        "lost": told.lost + missed.lost,
        "failed": stage.failures(told) + stage.failures(missed),
        "p99_ms": told.latency_ms(0.99),
        "quiet_ms": quiet.latency_ms(0.99),
        "blocked": stage.address(server.port, "adult.example") == bytes(4),
    }


def fill(path: Path) -> None:
    """Write until nothing more goes on."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(1 << 12)):
            pass
