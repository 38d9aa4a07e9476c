from __future__ import annotations

import time
from pathlib import Path

import httpcore
import httpx
import pytest

from filterd.core.updates import Why
from filterd.update.connect import Dialer, context
from filterd.update.faults import FetchError
from filterd.update.transport import Transport, faults
from tests.certificates import Authority
from tests.update.webserver import WebServer, tls_of

HOST = "lists.example"


def test_a_request_goes_to_the_address_and_speaks_of_the_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    dialer = Dialer(time.monotonic)
    dialer.begin(5.0)
    dialer.allow(HOST, ["127.0.0.1"])
    files = {"/a%20b?c=d": b"content"}
    with WebServer(files, tls_of(authority, HOST)) as web, Transport(dialer, context(authority.ca)) as transport:
        for _ in range(2):
            answer = transport.handle_request(httpx.Request("GET", web.url("/a%20b?c=d", HOST)))
            assert (answer.status_code, b"".join(answer.iter_raw())) == (200, b"content")
            answer.close()
        assert [request.headers["host"] for request in web.requests] == [f"{HOST}:{web.port}"] * 2
        assert web.connections == 1


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (httpcore.RemoteProtocolError("peer closed connection without sending complete message body"), Why.TRUNCATED),
        (httpcore.RemoteProtocolError("illegal status line"), Why.NETWORK),
        (httpcore.LocalProtocolError("illegal header"), Why.NETWORK),
        (httpcore.PoolTimeout(), Why.NETWORK),
        (httpcore.ReadError(), Why.NETWORK),
        (httpx.InvalidURL("no URL"), Why.NETWORK),
        (FetchError(Why.TLS, "as it is"), Why.TLS),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_fault_of_http_has_its_reason(error: Exception, why: Why) -> None:
    with pytest.raises(FetchError) as failed, faults():
        raise error
    assert failed.value.why is why
    assert failed.value.text
