"""Connections of the update: to addresses that somebody checked, and no longer than until one deadline.

`httpcore` asks for a connection to a name and is given one to an address from `Dialer.allow`; so nobody resolves a
second time, and what was checked is what is connected to. Every wait, of a connect, a handshake, a read, ends with the
deadline of the download: a server that sends a byte now and then, or "100 Continue" for ever, is left too.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import httpcore

from filterd.core.updates import Why
from filterd.update.faults import FetchError

MAX_ADDRESSES: Final = 8


def context(ca: str | Path | None) -> ssl.SSLContext:
    """Verifies chain and name; `ca`: a file of trusted roots instead of the system's. Raises FetchError for one that
    cannot be used.
    """
    try:
        made = ssl.create_default_context(cafile=ca)
    except (OSError, ValueError) as error:
        raise FetchError(Why.TLS, f"the file of trusted roots {ca} cannot be used: {error}") from None
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return made


def secured(sock: socket.socket, tls: ssl.SSLContext, name: str) -> ssl.SSLSocket:
    """TLS over a connected socket, whose time-out is for the whole handshake. Raises FetchError; `sock` is closed then.

    An end without TLS's goodbye is an error, not an end: it may be anybody's (RFC 9112 section 9.8).
    """
    try:
        return tls.wrap_socket(sock, server_hostname=name, suppress_ragged_eofs=False)
    except ssl.SSLCertVerificationError as error:
        raise FetchError(Why.TLS, f"its certificate is refused: {error.verify_message}") from None
    except TimeoutError:
        raise FetchError(Why.TIMEOUT, "it did not finish the TLS handshake in time") from None
    except (OSError, ValueError) as error:
        if _is_ragged(error) or isinstance(error, ConnectionError):
            raise FetchError(Why.NETWORK, f"it broke off the TLS handshake: {_reason(error)}", again=True) from None
        raise FetchError(Why.TLS, f"no TLS: {_reason(error)}") from None
    finally:
        sock.close()  # wrap_socket has taken it over, or it is of no more use


class Dialer(httpcore.NetworkBackend):
    """`monotonic` gives seconds. One download at a time: `begin` says when it must be over."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._addresses: dict[str, tuple[str, ...]] = {}
        self._ends_at = float("inf")
        self._most_s = 0.0

    def begin(self, most_s: float) -> None:
        """From now on `most_s` seconds are left, for whatever is done over any of the connections."""
        self._most_s = most_s
        self._ends_at = self._monotonic() + most_s

    def allow(self, host: str, addresses: Iterable[str]) -> None:
        """Connections to this name go to these addresses, the first that can be reached."""
        self._addresses[host] = tuple(addresses)[:MAX_ADDRESSES]

    def left(self, most_s: float | None) -> float:
        """How long the next wait may be. Raises FetchError when the time is over."""
        left = self._ends_at - self._monotonic()
        if left <= 0:
            raise self.late("", None)
        return left if most_s is None else min(left, most_s)

    def late(self, what: str, waited_s: float | None) -> FetchError:
        """What a time-out means: the whole time is over, or `what` was so for `waited_s`, which was most for a wait."""
        if waited_s is None or self._ends_at - self._monotonic() <= 0:
            return FetchError(Why.TIMEOUT, f"it was not done after {self._most_s:g} s")
        return FetchError(Why.TIMEOUT, f"{what} for {waited_s:g} s")

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002  neither is ever given
    ) -> httpcore.NetworkStream:  # fmt: skip
        """A connection to the first allowed address that takes it. Raises FetchError, with what the first one said."""
        said: FetchError | None = None
        for address in self._addresses.get(host, ()):
            try:
                return _Stream(self._connected(address, port, timeout), self)
            except FetchError as error:
                said = said or error
        raise said or FetchError(Why.NETWORK, "no address to connect to")

    def _connected(self, address: str, port: int, timeout: float | None) -> socket.socket:
        sock: socket.socket | None = None
        try:
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
            sock.settimeout(self.left(timeout))
            sock.connect((address, port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException as error:
            if sock is not None:
                sock.close()
            if isinstance(error, TimeoutError):
                raise self.late(f"{address} port {port} took no connection", timeout) from None
            if isinstance(error, OSError):
                text = f"no connection to {address} port {port}: {_reason(error)}"
                raise FetchError(Why.NETWORK, text, again=True) from None
            raise
        return sock


class _Stream(httpcore.NetworkStream):
    """What httpcore reads from and writes to."""

    def __init__(self, sock: socket.socket, dialer: Dialer) -> None:
        self._sock = sock
        self._dialer = dialer

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            self._sock.settimeout(self._dialer.left(timeout))
        except FetchError:
            self.close()
            raise
        return _Stream(secured(self._sock, ssl_context, server_hostname or ""), self._dialer)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            self._sock.settimeout(self._dialer.left(timeout))
            return self._sock.recv(max_bytes)
        except TimeoutError:
            raise self._dialer.late("it said nothing", timeout) from None
        except OSError as error:
            if _is_ragged(error):
                raise FetchError(Why.TRUNCATED, "it was cut off, without TLS's goodbye", again=True) from None
            raise FetchError(Why.NETWORK, f"the connection broke: {_reason(error)}", again=True) from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            self._sock.settimeout(self._dialer.left(timeout))
            self._sock.sendall(buffer)
        except TimeoutError:
            raise self._dialer.late("it took nothing", timeout) from None
        except OSError as error:
            raise FetchError(Why.NETWORK, f"the connection broke: {_reason(error)}", again=True) from None

    def close(self) -> None:
        self._sock.close()

    def get_extra_info(self, info: str) -> Any:
        """Of what httpcore asks for: whether HTTP/2 was agreed on, and whether an idle connection has ended."""
        if info == "ssl_object":
            return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
        if info == "is_readable":
            poll = select.poll()
            poll.register(self._sock, select.POLLIN)
            return bool(poll.poll(0))
        return None


def _is_ragged(error: Exception) -> bool:
    """Whether TLS ended with the connection, and not before it; Pythons differ in what they call it."""
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    return isinstance(error, ssl.SSLEOFError) or reason == "UNEXPECTED_EOF_WHILE_READING"


def _reason(error: Exception) -> str:
    """The system's word for it, without numbers and file names of its source."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
