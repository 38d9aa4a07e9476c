"""The demo school: starts `filterd run` on loopback and says what to try, or asks the questions itself and stops it;
where a demo is running there already, the questions go to that one.

Run by deploy/demo.sh from the root of the checkout. Reads policies/ and blocklists/ there; the server keeps its state
in var/. Exit codes: 0 well, 1 a verdict that was not expected or a server that ended, 2 an address that is taken.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import IO

from deploy.check import DEMO, Answer, Ask, Got, ask, ask_all, report

LISTEN = "127.0.0.1:5300"
METRICS = "127.0.0.1:9953"
START_S = 20.0
STOP_S = 5.0
LOOK_S = 0.02
RUNNING = Ask("", "127.0.31.7", "adult.canary.filterd.internal", Got.BLOCK)  # what no other server would block
# What to try by hand: some of the questions of the check.
TRY = ((0, 3), (6, 11), (16, 17), (20, 22))
EXPECT = {
    Got.BLOCK: "0.0.0.0, EDE 15 (Blocked)",
    Got.ALLOW: "địa chỉ thật / its real address",
    Got.SAFE: "tìm kiếm an toàn / safe search, CNAME",
}


def main(arguments: Sequence[str]) -> int:
    """The command behind `sh deploy/demo.sh`."""
    options = _options(arguments)
    server, metrics = _address(options.listen), _address(options.metrics)
    if options.check and ask(server, RUNNING, timeout_s=0.5).got is Got.BLOCK:
        return shown(ask_all(server))  # the demo of another window
    for kind, (host, port) in (
        (socket.SOCK_DGRAM, server),
        (socket.SOCK_STREAM, server),
        (socket.SOCK_STREAM, metrics),
    ):
        problem = taken(kind, host, port)
        if problem:
            print(problem, file=sys.stderr)
            return 2
    command = [sys.executable, "-m", "filterd", "run", "-c", ".", "--state-dir", "var"]
    command += ["--listen", options.listen, "--metrics", options.metrics]
    command += [word for url in options.upstream for word in ("--upstream", url)]
    command += ["--workers", str(options.workers)] if options.workers else []
    # SIGTERM must not leave the server behind: it ends as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return check(command, server) if options.check else serve(command, server, options.metrics)


def check(command: list[str], server: tuple[str, int]) -> int:
    """Start the server, ask, print the table of verdicts, stop it. What the server logs shows only if it matters."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            ready = wait_ready(process, server)
            answers = ask_all(server) if ready else []
        finally:
            _stop(process)
        if not ready:
            print("The server did not start. It said:", _text(log), sep="\n", file=sys.stderr)
            return 1
        status = shown(answers)
        if status:
            print("\nThe server said:", _text(log), sep="\n", file=sys.stderr)
        return status


def shown(answers: Sequence[Answer]) -> int:
    """Print the table of verdicts; 0 if every one was expected, else 1."""
    table, good = report(DEMO, answers)
    print(table)
    return 0 if good else 1


def serve(command: list[str], server: tuple[str, int], metrics: str) -> int:
    """Run the server in the foreground until Ctrl-C."""
    process = subprocess.Popen(command)
    try:
        if not wait_ready(process, server):
            print("The server did not start (see above).", file=sys.stderr)
            return 1
        print(guide(server, metrics), flush=True)
        return 1 if process.wait() else 0
    except KeyboardInterrupt:
        return 0
    finally:
        _stop(process)


def guide(server: tuple[str, int], metrics: str) -> str:
    """What to try, in Vietnamese and English, at most 80 columns."""
    host, port = server
    lines = [
        "",
        f"Trường demo đang chạy: DNS {host}:{port} (UDP, TCP). Thử ở cửa sổ khác:",
        f"The demo school is up: DNS {host}:{port} (UDP, TCP). Try, in another window:",
        "",
    ]
    for numbers in TRY:
        for question in (DEMO[number] for number in numbers):
            lines.append(f"  dig -b {question.source} @{host} -p {port} {question.name}")
            lines.append(f"      {question.who}: {EXPECT[question.expected]}")
    lines += [
        "",
        "Lớp theo địa chỉ / class by address: 127.0.31.x 3A, 127.0.71.x 7A,",
        "  127.0.111.x 11B, 127.0.200.x giáo viên/staff.",
        f"Số đo / metrics: http://{metrics}/metrics",
        "Vì sao / why:    .venv/bin/filterd explain youtube.com --class 3a",
        "Không có Internet: tên được mở trả SERVFAIL. Offline, allowed names: SERVFAIL.",
        "Dừng: Ctrl-C. Stop: Ctrl-C.",
        "",
    ]
    return "\n".join(lines)


def taken(kind: socket.SocketKind, host: str, port: int) -> str | None:
    """What to tell a person when an address cannot be had; None if it is free.

    Two servers of one user could share a port without an error (SO_REUSEPORT), so this asks for it alone.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as sock:
        if kind is socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
            if kind is socket.SOCK_STREAM:
                sock.listen(1)
        except OSError as error:
            transport = "UDP" if kind is socket.SOCK_DGRAM else "TCP"
            return (
                f"Cannot use {host} port {port} ({transport}): {error.strerror}.\n"
                f"Địa chỉ này đang có chương trình khác dùng, có thể là một bản demo khác.\n"
                f"Perhaps another demo is running: ss -lpn 'sport = :{port}' shows it.\n"
                f"Stop it, or choose others: --listen 127.0.0.1:5301 --metrics 127.0.0.1:9954"
            )
    return None


def wait_ready(process: subprocess.Popen[bytes], server: tuple[str, int]) -> bool:
    """Wait until the server answers a name of its own; False if it ended or stays silent."""
    until = time.monotonic() + START_S
    first = Ask("", "127.0.0.1", "localhost", Got.LOCAL)
    while process.poll() is None and time.monotonic() < until:
        if ask(server, first, timeout_s=0.5).got is Got.LOCAL:
            return True
        time.sleep(LOOK_S)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server as systemd would; Ctrl-C has reached it already, and a second one must not interrupt this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sh deploy/demo.sh", description="The demo school on this machine.")
    parser.add_argument("--check", action="store_true", help="ask the questions, print the verdicts, stop; exit 0 or 1")
    parser.add_argument("--listen", default=LISTEN, metavar="ADDR:PORT", help="DNS here (default: %(default)s)")
    parser.add_argument("--metrics", default=METRICS, metavar="ADDR:PORT", help="default: %(default)s")
    parser.add_argument("--upstream", action="append", default=[], metavar="udp://ADDR:PORT", help="ask here instead")
    parser.add_argument("--workers", type=int, help="worker processes")
    return parser.parse_args(arguments)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        sys.exit(f"{text!r} is not ADDRESS:PORT, as {LISTEN}")
    return host.strip("[]"), int(port)


def _text(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode("utf-8", "replace").rstrip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
