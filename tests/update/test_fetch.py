from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from filterd import __version__
from filterd.core.updates import Why
from filterd.update.fetch import Failure, Fetched, NotModified, Validators
from tests.update.fetching import HOST, LIST, Fetching
from tests.update.webserver import (
    Behaviour,
    WebServer,
    changing_etag,
    chunked,
    dated,
    etag_of,
    gzipped,
    in_turn,
    rate_limited,
    redirect,
    serve,
    status,
    until_close,
)

DATE = "Fri, 15 Jan 2027 08:00:00 GMT"  # the moment of these tests


@pytest.fixture
def fetching(tmp_path: Path) -> Iterator[Fetching]:
    staging = tmp_path / "staging"
    staging.mkdir()
    with Fetching(staging) as made:
        yield made


def test_a_list_is_a_file_in_staging_with_what_is_needed_to_ask_for_it_again(fetching: Fetching) -> None:
    with WebServer({"/list": serve(LIST, Last_Modified=DATE)}) as web:
        found = fetching(web.url("/list", HOST))
        assert isinstance(found, Fetched)
        assert (found.path, found.url, found.bytes) == (fetching.staging / "list", web.url("/list", HOST), len(LIST))
        assert found.sha256 == hashlib.sha256(LIST).hexdigest()
        assert found.path.read_bytes() == LIST
        assert found.last_modified == DATE
        again = fetching(found.url, known=Validators(found.url, found.etag, found.last_modified))
        assert again == NotModified(found.url)
        assert web.requests[1].headers["if-none-match"] == found.etag
        assert web.requests[1].headers["if-modified-since"] == DATE


def test_a_server_without_etags_is_asked_by_date(fetching: Fetching) -> None:
    with WebServer({"/list": dated(LIST, DATE)}) as web:
        url = web.url("/list", HOST)
        assert fetching(url, known=Validators(url, None, DATE)) == NotModified(url)


def test_what_is_known_of_a_mirror_says_nothing_of_the_source(fetching: Fetching) -> None:
    with WebServer({"/list": LIST, "/mirror": LIST}) as web:
        known = Validators(web.url("/mirror", HOST), '"a"')
        assert isinstance(fetching(web.url("/list", HOST), web.url("/mirror", HOST), known=known), Fetched)
        assert "if-none-match" not in web.requests[0].headers
        web.files["/list"] = status(404)
        fetching(web.url("/list", HOST), web.url("/mirror", HOST), known=known)
        assert web.asked("/mirror")[0].headers["if-none-match"] == '"a"'


def test_an_etag_that_changes_with_every_answer_brings_the_same_list_again(fetching: Fetching) -> None:
    with WebServer({"/list": changing_etag(LIST)}) as web:
        first = fetching(web.url("/list", HOST))
        assert isinstance(first, Fetched)
        second = fetching(first.url, known=Validators(first.url, first.etag))
        assert isinstance(second, Fetched)
        assert (first.etag, second.etag) == ('"1"', '"2"')
        assert first.sha256 == second.sha256


def test_nothing_about_the_school_is_said(fetching: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody answers there, and nobody is to be asked
    with WebServer({"/list": serve(LIST, Set_Cookie="who=you; Path=/")}) as web:
        fetching.content(web.url("/list", HOST))
        fetching.content(web.url("/list", HOST))
        for request in web.requests:
            agent = f"filterd/{__version__} (school DNS filter; asks for each list once a night)"
            host = {"host": f"{HOST}:{web.port}", "user-agent": agent}
            assert request.headers == {"accept": "*/*", "accept-encoding": "gzip", **host}


def test_one_connection_and_one_question_for_many_lists_of_a_host(fetching: Fetching) -> None:
    with WebServer({"/list": LIST}) as web:
        url = web.url("/list", HOST)
        for _ in range(3):
            fetching.content(url)
            assert fetching(url, known=Validators(url, etag_of(LIST))) == NotModified(url)
        assert web.connections == 1
    assert len(fetching.dns.asked(HOST)) == 2  # A and AAAA


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(gzipped(LIST), id="sent with gzip"),
        pytest.param(chunked(LIST), id="in chunks, without a length"),
        pytest.param(until_close(LIST), id="until the connection ends"),
        pytest.param(in_turn(status(500), LIST), id="on the second try"),
    ],
)
def test_a_list_arrives_whole(behaviour: Behaviour, fetching: Fetching) -> None:
    with WebServer({"/list": behaviour}) as web:
        assert fetching.content(web.url("/list", HOST)) == LIST


def test_progress_is_told_in_bytes_as_they_are_sent(fetching: Fetching) -> None:
    body = LIST * 200
    with WebServer({"/list": body, "/chunked": chunked(body)}) as web:
        fetching.content(web.url("/list", HOST))
        assert fetching.told[-1] == ("list", len(body), len(body))
        assert len(fetching.told) > 5
        assert [size for _, size, _ in fetching.told] == sorted(size for _, size, _ in fetching.told)
        fetching.content(web.url("/chunked", HOST))
        assert fetching.told[-1] == ("list", len(body), None)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed(code: int, fetching: Fetching) -> None:
    with WebServer({"/a": redirect("b", code), "/c?x=1": LIST}) as web:
        web.files["/b"] = redirect(web.url("/c?x=1", HOST), code)
        found = fetching(web.url("/a", HOST), known=Validators(web.url("/a", HOST), '"old"'))
        assert isinstance(found, Fetched)
        assert found.url == web.url("/a", HOST)
        assert [request.path for request in web.requests] == ["/a", "/b", "/c?x=1"]
        assert web.requests[2].headers["if-none-match"] == '"old"'


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 451, 204, 206, 304])
def test_a_refusal_is_not_asked_again(code: int, fetching: Fetching) -> None:
    with WebServer({"/list": status(code)}) as web:
        failure = fetching.failure(web.url("/list", HOST))
        assert (failure.why, failure.text) == (Why.STATUS, f"{HOST}: HTTP {code}")
        assert len(web.requests) == 1
        assert not fetching.pauses


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_once_more_after_a_while(code: int, fetching: Fetching) -> None:
    with WebServer({"/list": status(code)}) as web:
        assert fetching.failure(web.url("/list", HOST)).why is Why.STATUS
        assert len(web.requests) == 2
        fetching.failure(web.url("/list", HOST))
    first, second = fetching.pauses
    assert 2.0 <= first < 4.0
    assert 2.0 <= second < 4.0
    assert first != second  # else all boxes of a province come back in the same moment


def test_mirrors_are_asked_in_order(fetching: Fetching) -> None:
    with WebServer({"/a": status(404), "/b": status(500), "/c": LIST, "/d": LIST}) as web:
        found = fetching(*(web.url(path, HOST) for path in ("/a", "/b", "/c", "/d")))
        assert isinstance(found, Fetched)
        assert found.url == web.url("/c", HOST)
        assert [request.path for request in web.requests] == ["/a", "/b", "/b", "/c"]


def test_a_failure_says_what_each_place_said_and_why_of_the_first(fetching: Fetching) -> None:
    with WebServer({"/b": status(403)}) as web:
        failure = fetching.failure(web.url("/a", HOST), "https://nowhere.example/x", web.url("/b"))
        assert failure.why is Why.STATUS
        assert failure.text == (
            f"{HOST}: HTTP 404; nowhere.example: the upstreams know no address of nowhere.example"
            f" ({fetching.dns.url}: NXDOMAIN); 127.0.0.1: HTTP 403"
        )


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param("120", 120.0, id="seconds"),
        pytest.param(" 0 ", 0.0, id="none"),
        pytest.param("999999999999999999999", 86400.0, id="for ever is a day"),
        pytest.param("Fri, 15 Jan 2027 08:10:00 GMT", 600.0, id="a date"),
        pytest.param("Fri, 15 Jan 2017 08:10:00 GMT", 0.0, id="a date long ago"),
        pytest.param("Fri, 31 Dec 9999 08:10:00 GMT", 86400.0, id="a date far away"),
        pytest.param("soon", None, id="no date"),
        pytest.param("-5", None, id="less than none"),
        pytest.param("１２", None, id="digits of another script"),
        pytest.param("Fri, 99 Jan 2027 99:99:99 GMT", None, id="no day of any month"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_too_many_requests(said: str | None, expected: float | None, fetching: Fetching) -> None:
    said = None if said is None else said.encode().decode("latin-1")
    with WebServer({"/list": rate_limited(said)}) as web:
        failure = fetching.failure(web.url("/list", HOST))
        assert (failure.why, failure.retry_after_s) == (Why.RATE_LIMITED, expected)
        assert len(web.requests) == 1


def test_a_date_to_wait_for_is_measured_by_the_clock_of_the_server(fetching: Fetching) -> None:
    fetching.now = 0.0  # a box that begins in 1970
    limited = status(429, Retry_After="Fri, 15 Jan 2027 08:10:00 GMT", Date=DATE)
    with WebServer({"/list": limited}) as web:
        assert fetching.failure(web.url("/list", HOST)).retry_after_s == 600.0


def test_503_with_retry_after_is_a_wish_to_be_left_alone_too(fetching: Fetching) -> None:
    with WebServer({"/list": rate_limited("60", code=503)}) as web:
        failure = fetching.failure(web.url("/list", HOST))
        assert (failure.why, failure.retry_after_s) == (Why.RATE_LIMITED, 60.0)
        assert len(web.requests) == 1


def test_a_host_that_is_asked_too_often_is_left_alone_for_all_its_lists(tmp_path: Path) -> None:
    records = {HOST: ["127.0.0.1"], "other.example": ["127.0.0.1"]}
    with Fetching(tmp_path, records) as fetching, WebServer({"/a": rate_limited("600"), "/b": LIST}) as web:
        fetching.failure(web.url("/a", HOST))
        failure = fetching.failure(web.url("/b", HOST))
        assert failure.why is Why.RATE_LIMITED
        assert failure.retry_after_s == pytest.approx(600, abs=5)
        assert "not asked" in failure.text
        assert fetching.content(web.url("/b", HOST), web.url("/b", "other.example")) == LIST
        assert [request.path for request in web.requests] == ["/a", "/b"]


def test_a_mirror_helps_where_the_source_wants_to_be_left_alone(fetching: Fetching) -> None:
    with WebServer({"/a": rate_limited("600"), "/b": LIST}) as web:
        assert fetching.content(web.url("/a", HOST), web.url("/b")) == LIST


def test_a_folder_that_cannot_be_written_is_no_reason_to_ask_the_mirrors(tmp_path: Path) -> None:
    with Fetching(tmp_path / "gone") as fetching, WebServer({"/a": LIST, "/b": LIST}) as web:
        failure = fetching(web.url("/a", HOST), web.url("/b", HOST))
        assert isinstance(failure, Failure)
        assert failure.why is Why.DISK
        assert "No such file or directory" in failure.text
        assert len(web.requests) == 1


def test_what_was_in_staging_before_is_replaced_not_written_into(fetching: Fetching, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    (fetching.staging / "list").symlink_to(outside)
    with WebServer({"/list": LIST}) as web:
        assert fetching.content(web.url("/list", HOST)) == LIST
    assert outside.read_bytes() == b"precious"


@pytest.mark.parametrize("tag", ["", "x" * 1025, '"caf\xe9"'], ids=["empty", "long", "not ASCII"])
def test_a_validator_that_nobody_should_keep_is_not_kept(tag: str, fetching: Fetching) -> None:
    with WebServer({"/list": status(200, LIST, ETag=tag)}) as web:
        found = fetching(web.url("/list", HOST))
        assert isinstance(found, Fetched)
        assert found.etag is None
