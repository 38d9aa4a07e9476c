"""Opens sockets as systemd does for a `.socket` unit, then becomes the service with them (sd_listen_fds(3)).

`systemd-socket-activate` can pass datagram or stream sockets, not both, and no two of one address: this passes all that
the unit lists. Started as `python launcher.py UNIT PORT COMMAND...`; PORT takes the place of 53.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.systemd.units import directives

KINDS = {"ListenDatagram": socket.SOCK_DGRAM, "ListenStream": socket.SOCK_STREAM}
FIRST = 3
ASIDE = 200


def opened(kind: int, host: str, port: int) -> socket.socket:
    """One listening socket, with the options of the unit."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((host, port))
    if kind == socket.SOCK_STREAM:
        sock.listen(256)
    return sock


def main(unit: str, port: int, command: list[str]) -> None:
    """Never returns."""
    wanted = [(KINDS[key], text) for key, text in directives(Path(unit)) if key in KINDS]
    with_ipv6 = Path("/proc/net/if_inet6").exists()
    hosts = [(kind, text.rpartition(":")[0].strip("[]")) for kind, text in wanted if with_ipv6 or "[" not in text]
    sockets = [opened(kind, host, port) for kind, host in hosts]
    # Out of the way first: a socket may already have the number that another one goes to.
    for i, sock in enumerate(sockets):
        os.dup2(sock.fileno(), ASIDE + i)
    for i in range(len(sockets)):
        os.dup2(ASIDE + i, FIRST + i)
    os.closerange(FIRST + len(sockets), ASIDE + len(sockets))
    os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(sockets))}
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
