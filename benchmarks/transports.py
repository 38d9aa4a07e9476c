"""What an upstream costs over each transport: `python benchmarks/transports.py [--rounds N] [--seconds S]`.

Real workers, one for each transport, all asked for names that nobody has asked before; dnsdist answers them over UDP,
TCP, TLS and HTTPS. Server CPU (user and system) per answered miss, and how it
compares to UDP's within the same round. With `--libraries`, what one question costs a client that only sends it by
httpx, or by h2 on a bare TLS stream, and does nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import statistics
import string
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import trustme
from lib import doh_clients, load, mix, pin, servers
from lib.filterd_server import Filterd
from lib.sections import CLASS_SOURCES, ONE_SOURCE

HERE = Path(__file__).parent
PORTS = {"udp": 5391, "tcp": 5391, "tls": 5392, "https": 5393}
PACED = 5_000  # queries a second where a worker is not asked as fast as it can
TEMPLATE = HERE / "peers" / "dnsdist-transports.conf"


class Over(Filterd):
    """filterd with its upstream over one transport."""

    transport = ""
    source_ports = "pool"

    def command(self) -> list[str]:
        mine = f"udp://127.0.0.1:{servers.UPSTREAM_PORT}"
        theirs = f"{self.transport.partition('-')[0]}://127.0.0.1:{PORTS[self.transport.partition('-')[0]]}"
        return [theirs if part == mine else part for part in super().command()]


class FreshOver(Over):
    """The same with a new socket for every question, as beyond private networks."""

    source_ports = "fresh"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement")
    parser.add_argument("--only", default="udp,udp-fresh,tcp,tls,https", help="transports, comma-separated")
    parser.add_argument("--libraries", action="store_true", help="httpx and h2 instead")
    parser.add_argument("--cache", type=Path, default=HERE / ".cache", help="where generated data is kept")
    return parser.parse_args()


def start_dnsdist(scratch: Path) -> subprocess.Popen[Any]:
    """dnsdist with a certificate for 127.0.0.1; what trusts it is `ca.pem`."""
    ca = trustme.CA()
    certificate = ca.issue_cert("127.0.0.1")
    ca.cert_pem.write_to_path(str(scratch / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(scratch / "key.pem"))
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(str(scratch / "certificate.pem"), append=True)
    values = {
        "plain": PORTS["udp"], "tls": PORTS["tls"], "https": PORTS["https"],
        "certificate": scratch / "certificate.pem", "key": scratch / "key.pem",
    }  # fmt: skip
    path = scratch / "dnsdist.conf"
    path.write_text(string.Template(TEMPLATE.read_text()).substitute(values))
    with (scratch / "dnsdist.txt").open("wb") as log:
        command = ["dnsdist", "--supervised", "--disable-syslog", "-C", str(path)]
        return pin.spawn(command, pin.LOAD_CPU, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def measure(args: argparse.Namespace, scratch: Path, stack: contextlib.ExitStack) -> None:
    files = mix.Files(args.cache / str(mix.SEED))
    running: dict[str, Over] = {}
    for at, transport in enumerate(args.only.split(",")):
        directory = scratch / transport
        directory.mkdir()
        kind = FreshOver if transport.endswith("-fresh") else Over
        server = kind(servers.Place(directory, 5400 + at, 5440 + at, files.table(0), 0))
        server.transport = transport
        server.configure()
        stack.callback(server.stop)
        server.start()
        print(f"{transport} answered after {server.start_s:.2f} s", flush=True)
        running[transport] = server
    for title, ask in (("as fast as it can", flat_out), (f"{PACED} queries/s of 20 classes", paced)):
        found: dict[str, list[float]] = {transport: [] for transport in running}
        lost = dict.fromkeys(running, 0)
        for turn in range(args.rounds):
            for transport, server in running.items():
                before = server.cpu_seconds()
                seen = ask(server, files, turn, args.seconds)
                found[transport].append((server.cpu_seconds() - before) / max(1, seen.completed) * 1e6)
                lost[transport] += seen.lost + seen.completed - seen.rcodes.get("NOERROR", 0)
        report(title, found, lost)


def flat_out(server: Over, files: mix.Files, turn: int, seconds: float) -> load.Load:
    return load.saturate(server.place.port, files.miss(turn), seconds, ONE_SOURCE)


def paced(server: Over, files: mix.Files, turn: int, seconds: float) -> load.Load:
    return load.paced(server.place.port, files.class_misses(turn), CLASS_SOURCES, PACED, seconds).finish()


def report(title: str, found: dict[str, list[float]], lost: dict[str, int]) -> None:
    print(f"\nevery query a miss, {title}\n\n| upstream over | CPU us/query | of UDP's | lost |\n|---|---|---|---|")
    for transport, costs in found.items():
        ratios = [cost / base for cost, base in zip(costs, found["udp"], strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        print(f"| {transport} | {statistics.median(costs):.1f} | {spread} | {lost[transport]} |")


def main() -> int:
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are stopped
    if not shutil.which("dnsdist"):
        sys.exit("dnsdist is not installed")
    with tempfile.TemporaryDirectory(prefix="filterd-bench-") as name, contextlib.ExitStack() as stack:
        scratch = Path(name)
        stack.callback(pin.stop, start_dnsdist(scratch))
        time.sleep(1.0)
        os.environ["SSL_CERT_FILE"] = str(scratch / "ca.pem")
        if args.libraries:
            for line in doh_clients.figures(PORTS["https"], scratch / "ca.pem"):
                print(line)
        else:
            measure(args, scratch, stack)
    return 0


if __name__ == "__main__":
    sys.exit(main())
