"""Packets nobody should send: `python benchmarks/fuzz.py [--minutes 10] [--seed N] [--only inside|outside]`.

Half of the time a forwarder is driven in-process, as fast as it goes, by clients and upstreams that send anything; the
other half a running server over UDP and TCP, with a control question of another client every hundred packets. Ends
with status 1 at the first promise that does not hold, saying the seed and the step. The parts are those of tests/fuzz.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.fuzz.inside import Inside
from tests.fuzz.outside import Outside

ROUND_S = 30.0  # then the forwarder starts anew, with the next seed
WARM = 0.5  # of the time, for what is bounded to fill; memory is compared from there on
GROWTH = 1.05
CONTROL_S = 0.05


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--only", choices=["inside", "outside"])
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    seconds = args.minutes * 60 / (1 if args.only else 2)
    held = True
    if args.only != "outside":
        inside(args.seed, seconds)
    if args.only != "inside":
        held = outside(args.seed, seconds)
    return 0 if held else 1


def inside(seed: int, seconds: float) -> None:
    """The forwarder alone; raises BrokenPromiseError at what does not hold."""
    started = time.monotonic()
    sent = replies = rounds = 0
    while (left := started + seconds - time.monotonic()) > 0:
        world = Inside(seed + rounds)
        end = time.monotonic() + min(ROUND_S, left)
        world.run(lambda end=end: time.monotonic() > end)
        rounds += 1
        sent += world.sent
        replies += world.replies
    took_s = time.monotonic() - started
    print(f"inside: {sent:,} packets, {replies:,} replies, {sent / took_s:,.0f} packets/s, {rounds} rounds, all held")


def outside(seed: int, seconds: float) -> bool:
    """A running server; gives whether memory and the control question's latency stayed within bounds."""
    with tempfile.TemporaryDirectory(prefix="filterd-fuzz-") as directory:
        world = Outside(Path(directory), seed)
        try:
            started = time.monotonic()
            world.run(lambda: time.monotonic() > started + seconds * WARM)
            before = world.resident_bytes()
            world.run(lambda: time.monotonic() > started + seconds)
            growth = world.resident_bytes() / before
            faults = world.faults()
        finally:
            world.close()
    took_s = time.monotonic() - started
    p99_s = quantiles(world.controls_s, n=100)[98]
    print(
        f"outside: {world.sent:,} packets, {world.sent / took_s:,.0f} packets/s, {world.replies:,} replies, "
        f"{len(world.controls_s):,} control questions: median {median(world.controls_s) * 1e3:.1f} ms, "
        f"p99 {p99_s * 1e3:.1f} ms, worst {max(world.controls_s) * 1e3:.1f} ms; "
        f"memory x{growth:.3f} of {before >> 20} MiB; {faults:.0f} internal errors"
    )
    return growth <= GROWTH and p99_s <= CONTROL_S and faults == 0


if __name__ == "__main__":
    sys.exit(main())
