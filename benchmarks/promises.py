"""Print what the promises come to, measured: `python benchmarks/promises.py [--only NAME,...] [--miniature]`.

Against a running server on loopback, each part bounded in count and time. One line a promise; status 1 if any is not
met. Lines are kept in results/<date>-promises.json and .md, where a part that is run again replaces its own.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lib import pin  # noqa: E402
from lib.promises import PARTS, page, part  # noqa: E402
from lib.promises.lines import Line, Size  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help=f"parts, comma-separated: {', '.join(PARTS)}")
    parser.add_argument("--miniature", action="store_true", help="small and short, only to see that the parts run")
    parser.add_argument(
        "--nice", type=int, default=0, help="below 0: before what else runs on this machine; needs root"
    )
    parser.add_argument("--results", type=Path, default=HERE / "results", help="where the lines are kept")
    args = parser.parse_args()
    wanted = args.only.split(",") if args.only else list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are stopped
    os.sched_setaffinity(0, {pin.LOAD_CPU})
    os.nice(args.nice)
    found: list[Line] = []
    for name in wanted:
        began, load_before = time.monotonic(), os.getloadavg()[0]
        lines = []
        for line in part(name)(Size(args.miniature)):
            print(page.text(line), flush=True)
            lines.append(line)
        found += lines
        if not args.miniature:
            page.keep(args.results, name, lines, time.monotonic() - began, load_before, args.nice)
    return 1 if any(line.met is False for line in found) else 0


if __name__ == "__main__":
    sys.exit(main())
