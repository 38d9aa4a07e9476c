"""Ask filterd, unbound and dnsmasq the same: `python benchmarks/compare_answers.py [--questions 10000] [--seed N]`.

All three forward to one scripted upstream (tests/conformance/world.py). Prints every question that the two others
answer alike and filterd otherwise, then how many there were; ends with status 1 if there were any.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.conformance import world
from tests.conformance.lab import laboratory
from tests.running import STAFF


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="filterd-compare-") as directory:
        scratch = Path(directory)
        with (
            laboratory(scratch, script=world.script) as lab,
            world.unbound(scratch, lab.upstream.port) as one,
            world.dnsmasq(lab.upstream.port) as two,
        ):
            asked = world.paced(world.questions(args.questions, args.seed), 1000)
            found = 0
            for name, kind, mine, theirs in world.differences(lab.server.port, (one, two), asked, STAFF):
                found += 1
                print(f"{name} {kind}: filterd {mine}, the others {theirs}")
    print(f"{args.questions:,} questions, {found} answered otherwise than by both unbound and dnsmasq")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
