"""Measure filterd beside unbound, dnsdist and dnsmasq: `python benchmarks/run.py [--quick] [--only SECTION,...]`.

Owns the order of a run and nothing else: what is asked is `lib.mix`, who answers `lib.servers` and
`lib.filterd_server`, what is measured `lib.sections`, what is said about it `lib.report`.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lib import filterd_server, mix, pin, report, sections, servers, swap, table
from lib.sections import Phase, Sample

HERE = Path(__file__).parent
SECTIONS = ("hits", "fixed", "miss", "memory", "start", "swap", "table")
MINE: tuple[type[servers.Server], ...] = (
    filterd_server.Filterd, filterd_server.FilterdFresh, filterd_server.FilterdCompiled,
)  # fmt: skip
KINDS = {kind.kind: kind for kind in MINE + servers.PEERS}
# The others take minutes to start or to be asked.
QUICK = ("filterd", "filterd-fresh", "filterd-compiled", "unbound", "dnsdist")
MILLION = 1_000_000


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="0 and 1 million names, one short round: about 3 minutes")
    parser.add_argument("--only", default="", help=f"sections, comma-separated: {', '.join(SECTIONS)}")
    parser.add_argument("--names", default="", help="table sizes, comma-separated; default 0,1000000,4000000")
    parser.add_argument("--servers", default="", help=f"servers, comma-separated: {', '.join(KINDS)}")
    parser.add_argument("--rounds", type=int, default=0, help="rounds at each size; default 5 (3 beside 1 million)")
    parser.add_argument("--seconds", type=float, default=0, help="length of one measurement; default 3")
    parser.add_argument("--cache", type=Path, default=HERE / ".cache", help="where generated data is kept")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="where the report goes")
    found = parser.parse_args()
    found.only = found.only.split(",") if found.only else list(SECTIONS)
    found.partial = len(found.only) < len(SECTIONS) or bool(found.names)
    found.names = [int(n) for n in (found.names or ("0,1000000" if found.quick else "0,1000000,4000000")).split(",")]
    found.servers = found.servers or ",".join(QUICK if found.quick else KINDS)
    found.seconds = found.seconds or (2 if found.quick else 3)
    if unknown := (set(found.only) - set(SECTIONS)) | (set(found.servers.split(",")) - set(KINDS)):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return found


def chosen(wanted: str) -> list[type[servers.Server]]:
    """The servers that can take part; says why the others cannot."""
    kinds = [KINDS[kind] for kind in wanted.split(",")]
    for kind in kinds:
        if why := kind.available():
            print(f"without {kind.kind}: {why}")
    return [kind for kind in kinds if not kind.available()]


@contextlib.contextmanager
def standing(
    kinds: list[tuple[type[servers.Server], int]], files: mix.Files, scratch: Path
) -> Iterator[list[servers.Server]]:
    """Start one server after another, each alone, and stop them all whatever happens."""
    with contextlib.ExitStack() as stack:
        running = []
        for at, (kind, names) in enumerate(kinds):
            directory = scratch / f"{kind.kind}-{names}-{at}"
            directory.mkdir()
            place = servers.Place(directory, 5400 + at, 5440 + at, files.table(names), names)
            server = kind(place)
            server.configure()
            stack.callback(server.stop)
            server.start()
            print(f"  {kind.kind} with {names:,} names answered after {server.start_s:.2f} s", flush=True)
            running.append(server)
        yield running


def phase_samples(names: int, kinds: list[type[servers.Server]], args: argparse.Namespace) -> Iterator[Sample]:
    """Everything that is measured at one table size."""
    files = mix.Files(args.cache / str(mix.SEED))
    entries = [(kind, names) for kind in kinds]
    if names > MILLION and filterd_server.Filterd in kinds and MILLION in args.names:
        entries.insert(1, (filterd_server.Filterd, MILLION))  # growth is judged side by side, not across an hour
    rounds = args.rounds or (1 if args.quick else 5 if names == MILLION else 3)
    with (
        tempfile.TemporaryDirectory(prefix="filterd-bench-") as scratch,
        standing(entries, files, Path(scratch)) as running,
    ):
        yield from _measure(Phase(names, running, rounds, args.seconds, files), args)


def _measure(phase: Phase, args: argparse.Namespace) -> Iterator[Sample]:
    """The order matters: memory before misses and swaps, which leave larger caches and second tables behind."""
    hit = replace(phase, running=[s for s in phase.running if s.asked_hits])
    missed = replace(phase, running=[s for s in phase.running if s.asked_misses])
    if "start" in args.only:
        yield from sections.starts(hit)
    if {"hits", "fixed", "swap"} & set(args.only):
        sections.warm(hit)
    if "hits" in args.only:
        yield from sections.saturated(hit)
    if "fixed" in args.only:
        yield from sections.paced(hit)
    if "memory" in args.only:
        yield from sections.memory(hit)
    if "miss" in args.only:
        yield from sections.missed(missed)
    if not args.partial and not args.quick and phase.names == MILLION:
        yield from _details(hit, missed)
    if "swap" in args.only and phase.names == MILLION:
        mine = [s for s in hit.running if s.kind == "filterd"]
        yield from swap.swaps(replace(hit, running=mine) if args.quick else hit)


def _details(hit: Phase, missed: Phase) -> Iterator[Sample]:
    """What only a full run looks at, in two rounds."""
    for kind in ("allowed", "blocked", "types"):
        yield from sections.saturated(replace(hit, rounds=2), kind)
    yield from sections.missed(replace(missed, rounds=2), one_domain=True)
    yield from sections.paced_misses(replace(missed, rounds=2))


def main() -> int:
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are stopped
    kinds = chosen(args.servers)
    settings = report.machine() | {kind.kind: kind.version() for kind in kinds if kind.asked_hits}
    samples: list[Sample] = []
    upstream = servers.start_upstream()
    try:
        for names in args.names if set(args.only) - {"table"} else ():
            print(f"{names:,} names", flush=True)
            for sample in phase_samples(names, kinds, args):
                print("   ", report.line(sample), flush=True)
                samples.append(sample)
    finally:
        pin.stop(upstream)
    if "table" in args.only:
        samples += table.sizes()
    print(report.summary(samples))
    if not args.partial:
        path = report.write(samples, args.results, quick=args.quick, settings=settings)
        print(f"\nwritten: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
