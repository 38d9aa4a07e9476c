"""Stands in for systemd: `with_sockets.py PORT COUNT COMMAND...` passes COUNT UDP and TCP sockets, execs COMMAND."""

from __future__ import annotations

import os
import socket
import sys

FIRST = 3  # sd_listen_fds(3)


def main(port: int, count: int, command: list[str]) -> None:
    sockets = []
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        for _ in range(count):
            sock = socket.socket(socket.AF_INET, kind)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(("127.0.0.1", port))
            if kind == socket.SOCK_STREAM:
                sock.listen(64)
            sockets.append(sock)
    spare = [os.dup(sock.fileno()) for sock in sockets]
    high = [os.dup2(fd, 100 + i) for i, fd in enumerate(spare)]
    for i, fd in enumerate(high):
        os.dup2(fd, FIRST + i)
    for fd in range(FIRST + len(high), 256):
        try:
            os.close(fd)
        except OSError:
            continue
    os.environ["LISTEN_FDS"] = str(len(high))
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
