"""The little of sd_notify(3) and sd_watchdog_enabled(3) that a service needs."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Tell systemd; does nothing when not started by it. A manager that cannot hear must not end the service."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock, contextlib.suppress(OSError):
        sock.setblocking(False)
        sock.sendto(state.encode(), address)


def watchdog_s() -> float | None:
    """Seconds within which systemd wants to hear WATCHDOG=1; None if it does not."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    text = os.environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isdigit() else None
