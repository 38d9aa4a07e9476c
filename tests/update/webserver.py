"""A web server on loopback that misbehaves on demand: threads, raw sockets, HTTP/1.1 written by hand.

    with WebServer({"/list.txt": b"ads.example\n", "/gone": status(404)}) as web:
        fetch(web.url("/list.txt"))
        assert web.requests[0].headers["accept-encoding"] == "gzip"

Plain bytes are served well: Content-Length, ETag, 304 for a matching If-None-Match. Anything else is a `Behaviour`: a
function that is given the request and the connection and does what it likes. `web.files` may be changed at any time.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import itertools
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from tests.certificates import Authority
from tests.peers import server_context

QUIET_S = 10.0  # a connection that says nothing for so long is given up
REASONS = {200: "OK", 302: "Found", 304: "Not Modified", 404: "Not Found", 429: "Too Many Requests", 500: "Error"}


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked. Names of `headers` are in lower case."""

    method: str
    path: str
    headers: dict[str, str]


class Connection:
    """One connection. Sending to a client that has gone raises OSError, which ends it quietly."""

    def __init__(self, sock: socket.socket, closing: threading.Event) -> None:
        self.sock = sock
        self.closing = closing
        self.keep = True  # for the next request

    def send(self, data: bytes) -> None:
        """These bytes, as they are."""
        self.sock.sendall(data)

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", *(f"{k}: {v}" for k, v in headers.items())]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """A well-formed answer; `headers` may say another Content-Length than the body has."""
        self.head(status, {"Content-Length": str(len(body)), **(headers or {})})
        self.send(body)

    def reset(self) -> None:
        """Close so that the other end gets an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.keep = False

    def requests(self) -> Iterator[Request]:
        """What is asked, until the other end closes or `keep` is taken away."""
        with self.sock.makefile("rb") as file:
            while self.keep and not self.closing.is_set():
                first = file.readline(65536).decode("latin-1").split()
                if len(first) != 3:
                    return
                lines = iter(lambda: file.readline(65536).decode("latin-1").strip(), "")
                pairs = (line.partition(":") for line in lines)
                headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
                yield Request(first[0], first[1], headers)


Behaviour = Callable[[Request, Connection], None]


def etag_of(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:16]}"'


def serve(body: bytes, **headers: str) -> Behaviour:
    """Well: with ETag, and 304 for who has it. `headers`: more of them, `_` for `-`."""

    def behave(request: Request, connection: Connection) -> None:
        tag = {"ETag": etag_of(body), **_spelled(headers)}
        if request.headers.get("if-none-match") == tag["ETag"]:
            connection.head(304, tag)
        else:
            connection.answer(200, body, tag)

    return behave


def dated(body: bytes, last_modified: str) -> Behaviour:
    """Without an ETag; 304 for who says this date."""

    def behave(request: Request, connection: Connection) -> None:
        if request.headers.get("if-modified-since") == last_modified:
            connection.head(304, {})
        else:
            connection.answer(200, body, {"Last-Modified": last_modified})

    return behave


def status(code: int, body: bytes = b"", **headers: str) -> Behaviour:
    """This status and nothing else."""
    return lambda _, connection: connection.answer(code, body, _spelled(headers))


def redirect(to: str, code: int = 302) -> Behaviour:
    """To another place; `{n}` in it is the number of the request."""
    count = itertools.count(1)
    return lambda _, connection: connection.answer(code, b"", {"Location": to.replace("{n}", str(next(count)))})


def rate_limited(retry_after: str | None = None, code: int = 429) -> Behaviour:
    """Too many requests; `retry_after`: seconds or a date."""
    return status(code, b"Too many requests", **({} if retry_after is None else {"Retry_After": retry_after}))


def html(body: bytes = b"<!DOCTYPE html><html><body>Please log in</body></html>") -> Behaviour:
    """A page with 200, as login portals send."""
    return status(200, body, Content_Type="text/html")


def changing_etag(body: bytes) -> Behaviour:
    """The same body with another ETag each time: never 304."""
    count = itertools.count(1)
    return lambda _, connection: connection.answer(200, body, {"ETag": f'"{next(count)}"'})


def cut_off(body: bytes, after: int, reset: bool = False) -> Behaviour:
    """All of the body is announced, and the connection ends (or is reset) after some of it."""

    def behave(_: Request, connection: Connection) -> None:
        connection.answer(200, body[:after], {"Content-Length": str(len(body))})
        connection.keep = False
        if reset:
            connection.reset()

    return behave


def chunked(body: bytes, finish: bool = True) -> Behaviour:
    """In two chunks; without `finish` the last one, which says that all is there, never comes."""

    def behave(_: Request, connection: Connection) -> None:
        half = len(body) // 2
        connection.head(200, {"Transfer-Encoding": "chunked"})
        for part in (body[:half], body[half:]):
            connection.send(b"%x\r\n%s\r\n" % (len(part), part))
        if finish:
            connection.send(b"0\r\n\r\n")
        connection.keep = finish

    return behave


def until_close(body: bytes, goodbye: bool = True) -> Behaviour:
    """Without a length: the end of the connection is the end. Over TLS, with or without the proper goodbye."""

    def behave(_: Request, connection: Connection) -> None:
        connection.head(200, {"Connection": "close"})
        connection.send(body)
        connection.keep = False
        if goodbye and isinstance(connection.sock, ssl.SSLSocket):
            connection.sock.unwrap()

    return behave


def wrong_length(body: bytes, said: int) -> Behaviour:
    """Another length than is sent, and then the connection ends."""

    def behave(_: Request, connection: Connection) -> None:
        connection.answer(200, body, {"Content-Length": str(said)})
        connection.keep = False

    return behave


def trickle(body: bytes, every_s: float, at_once: int = 1, in_head: bool = False) -> Behaviour:
    """A few bytes every so often; `in_head`: headers already, so that the body is never reached."""

    def behave(_: Request, connection: Connection) -> None:
        if not in_head:
            connection.head(200, {"Content-Length": str(len(body))})
        data = b"HTTP/1.1 200 OK\r\nX-Slow: " + body if in_head else body
        for at in range(0, len(data), at_once):
            connection.send(data[at : at + at_once])
            if connection.closing.wait(every_s):
                return

    return behave


def silent() -> Behaviour:
    """The request is taken and nothing is said."""

    def behave(_: Request, connection: Connection) -> None:
        connection.closing.wait(QUIET_S)
        connection.keep = False

    return behave


def endless(chunk: bytes = b"a.example\n" * 6000, said: int | None = None) -> Behaviour:
    """This again and again until the other end hangs up; `said`: as Content-Length."""

    def behave(_: Request, connection: Connection) -> None:
        connection.head(200, {"Connection": "close"} if said is None else {"Content-Length": str(said)})
        while not connection.closing.is_set():
            connection.send(chunk)

    return behave


def endless_interim() -> Behaviour:
    """100 Continue, for ever."""

    def behave(_: Request, connection: Connection) -> None:
        while not connection.closing.is_set():
            connection.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 50)

    return behave


def raw(data: bytes) -> Behaviour:
    """These bytes in place of an answer, then the end."""

    def behave(_: Request, connection: Connection) -> None:
        connection.send(data)
        connection.keep = False

    return behave


def gzipped(body: bytes, cut: int = 0) -> Behaviour:
    """With Content-Encoding: gzip; `cut`: without its last bytes, though the length fits."""
    packed = gzip.compress(body, mtime=0)
    return status(200, packed[: len(packed) - cut], Content_Encoding="gzip", ETag=etag_of(packed))


def gzip_bomb(size: int = 1 << 30) -> Behaviour:
    """Zeros that unpack to so many bytes, a thousand times what is sent."""

    def behave(_: Request, connection: Connection) -> None:
        connection.head(200, {"Content-Encoding": "gzip", "Connection": "close"})
        packer = zlib.compressobj(wbits=31)
        for _ in range(size >> 20):
            connection.send(packer.compress(bytes(1 << 20)))
        connection.send(packer.flush())
        connection.keep = False

    return behave


def in_turn(*behaviours: bytes | Behaviour) -> Behaviour:
    """The first for the first request and so on; the last for all that follow."""
    count = itertools.count()
    lock = threading.Lock()

    def behave(request: Request, connection: Connection) -> None:
        with lock:
            now = behaviours[min(next(count), len(behaviours) - 1)]
        (serve(now) if isinstance(now, bytes) else now)(request, connection)

    return behave


def tls_of(authority: Authority, *names: str, days: tuple[int, int] = (-1, 90)) -> ssl.SSLContext:
    """A server's side of TLS, with a new certificate for these names (default: what the authority has made)."""
    if names:
        authority.write(*names, days=days)
    return server_context(authority.certificate, authority.key, "http/1.1")


class WebServer:
    """Listens on `address` until closed. Paths that are not in `files` are 404. `requests`: all of them, in order."""

    def __init__(
        self, files: Mapping[str, bytes | Behaviour], tls: ssl.SSLContext | None = None, address: str = "127.0.0.1"
    ) -> None:
        self.files = dict(files)
        self.requests: list[Request] = []
        self.connections = 0
        self.faults: list[Exception] = []
        self._tls = tls
        self._address = address
        self._closing = threading.Event()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def url(self, path: str = "/", host: str | None = None) -> str:
        """The address of a path here; by this host name, or by the server's address."""
        shown = host or (f"[{self._address}]" if ":" in self._address else self._address)
        return f"{'http' if self._tls is None else 'https'}://{shown}:{self.port}{path}"

    def asked(self, path: str) -> list[Request]:
        """The requests for this path so far."""
        return [request for request in list(self.requests) if request.path == path]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        assert not self.faults, self.faults

    def close(self) -> None:
        """Stop; the port is closed from now on."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            sock.settimeout(QUIET_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(sock)
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket) -> None:
        sock = plain
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(plain, server_side=True)
                self._open.add(sock)
            connection = Connection(sock, self._closing)
            for request in connection.requests():
                self.requests.append(request)
                found = self.files.get(request.path, status(404))
                (serve(found) if isinstance(found, bytes) else found)(request, connection)
        except (OSError, ValueError):
            pass  # the other end has closed, as it may
        except Exception as fault:  # noqa: BLE001  shown at the end of the test
            self.faults.append(fault)
        finally:
            self._open -= {plain, sock}
            sock.close()
            plain.close()


def _spelled(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
