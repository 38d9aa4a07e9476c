"""HTTP by httpcore over the connections of a `Dialer`, as a transport of httpx.

httpx's own transport takes no such connections; httpcore, which it is made of, does.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator

import httpcore
import httpx

from filterd.core.updates import Why
from filterd.update.connect import Dialer
from filterd.update.faults import FetchError


class Transport(httpx.BaseTransport):
    """HTTP by httpcore over connections of a `Dialer`; `http2` where a server has nothing else."""

    def __init__(self, dialer: Dialer, tls: ssl.SSLContext, http2: bool = False) -> None:
        self._pool = httpcore.ConnectionPool(
            tls, max_connections=16, max_keepalive_connections=8, keepalive_expiry=15.0, http2=http2,
            network_backend=dialer,
        )  # fmt: skip

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        there = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        asked = httpcore.Request(
            request.method, there, headers=request.headers.raw, content=request.stream, extensions=request.extensions
        )
        found = self._pool.handle_request(asked)
        return httpx.Response(found.status, headers=found.headers, stream=_Body(found.stream))

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, stream: object) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream  # type: ignore[misc]

    def close(self) -> None:
        self._stream.close()  # type: ignore[attr-defined]


@contextlib.contextmanager
def faults() -> Iterator[None]:
    """What HTTP has to complain of as a FetchError; what goes wrong below is one already."""
    try:
        yield
    except httpcore.RemoteProtocolError as error:
        text = str(error)
        if "incomplete" in text or "without sending complete" in text:
            raise FetchError(Why.TRUNCATED, f"it was cut off: {text}", again=True) from None
        raise FetchError(Why.NETWORK, f"what it answered is not HTTP: {text}", again=True) from None
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, httpx.InvalidURL) as error:
        raise FetchError(Why.NETWORK, f"no answer: {error or type(error).__name__}", again=True) from None
