"""Every way a server fails to give a list, or gives what is none, over a real connection."""

from __future__ import annotations

import bz2
import gzip
import lzma
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from filterd.core.updates import Why
from filterd.update.fetch import Fetched
from tests.certificates import Authority
from tests.peers import Line, Peer
from tests.update.fetching import HOST, LIST, QUICK, Fetching
from tests.update.webserver import (
    Behaviour,
    WebServer,
    chunked,
    cut_off,
    endless,
    endless_interim,
    gzip_bomb,
    gzipped,
    html,
    in_turn,
    raw,
    redirect,
    serve,
    silent,
    status,
    tls_of,
    trickle,
    until_close,
    wrong_length,
)

MIB = 1 << 20
ONE_LINE = b"a.example\n"


@pytest.fixture
def fetching(tmp_path: Path) -> Iterator[Fetching]:
    staging = tmp_path / "staging"
    staging.mkdir()
    with Fetching(staging, limits=QUICK) as made:
        yield made


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def over_tls(authority: Authority, tmp_path: Path) -> Iterator[Fetching]:
    staging = tmp_path / "staging"
    staging.mkdir()
    with Fetching(staging, limits=QUICK, ca=authority.ca) as made:
        yield made


@pytest.mark.parametrize(
    ("behaviour", "why", "text", "tries"),
    [
        pytest.param(cut_off(LIST, 100), Why.TRUNCATED, "received 100 bytes, expected", 2, id="cut off"),
        pytest.param(cut_off(LIST, 100, reset=True), Why.NETWORK, "reset", 2, id="reset"),
        pytest.param(wrong_length(LIST, len(LIST) + 1), Why.TRUNCATED, "cut off", 2, id="one byte too few"),
        pytest.param(chunked(LIST, finish=False), Why.TRUNCATED, "incomplete chunked read", 2, id="last chunk missing"),
        pytest.param(gzipped(LIST, cut=4), Why.TRUNCATED, "its gzip has no end", 2, id="gzip without its end"),
        pytest.param(raw(b""), Why.NETWORK, "without sending a response", 2, id="no answer at all"),
        pytest.param(raw(b"SSH-2.0-OpenSSH_9.6\r\n"), Why.NETWORK, "is not HTTP", 2, id="another protocol"),
        pytest.param(raw(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 200_000), Why.NETWORK, "is not HTTP", 2, id="endless head"),
        pytest.param(
            raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
            Why.NETWORK,
            "Content-Length",
            2,
            id="two lengths",
        ),
        pytest.param(
            raw(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"), Why.NETWORK, "bad Content-Length", 2, id="no length"
        ),
        pytest.param(raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n\r\n"), Why.NETWORK, "Encoding", 2, id="coding"),
        pytest.param(raw(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"), Why.NETWORK, "not HTTP", 2, id="upgrade"),
        pytest.param(silent(), Why.TIMEOUT, "it said nothing for 0.3 s", 1, id="silent"),
        pytest.param(trickle(LIST, 0.05), Why.TIMEOUT, "bytes came in", 1, id="a byte now and then"),
        pytest.param(trickle(LIST, 0.05, 200), Why.TIMEOUT, "it was not done after 0.8 s", 1, id="too slow to end"),
        pytest.param(trickle(LIST, 0.05, in_head=True), Why.TIMEOUT, "not done after 0.8 s", 1, id="a slow head"),
        pytest.param(endless_interim(), Why.TIMEOUT, "it was not done after 0.8 s", 1, id="100 Continue for ever"),
        pytest.param(status(200, LIST, Content_Encoding="br"), Why.ARCHIVE, "'br'", 1, id="an encoding of its own"),
        pytest.param(status(200, LIST, Content_Encoding="gzip"), Why.ARCHIVE, "damaged", 1, id="not the gzip it says"),
        pytest.param(status(300), Why.STATUS, "HTTP 300", 1, id="multiple choices"),
        pytest.param(status(302), Why.STATUS, "HTTP 302", 1, id="redirect to nowhere"),
    ],
)
def test_a_fault_has_its_reason(behaviour: Behaviour, why: Why, text: str, tries: int, fetching: Fetching) -> None:
    with WebServer({"/list": behaviour}) as web:
        failure = fetching.failure(web.url("/list", HOST))
        assert failure.why is why, failure
        assert text in failure.text
        assert len(web.requests) == len(fetching.pauses) + 1 == tries


@pytest.mark.parametrize(
    ("behaviour", "text"),
    [
        pytest.param(serve(b"x" * (MIB + 1)), "it says that it has 1,048,577 bytes", id="too long and says so"),
        pytest.param(endless(), "it is larger", id="endless"),
        pytest.param(endless(said=5 * MIB), "it says that it has 5,242,880 bytes", id="endless and says how much"),
        pytest.param(gzip_bomb(), "it unpacks to more", id="bomb"),
        pytest.param(gzipped(bytes(range(256)) * 5000), "it unpacks to more", id="unpacks to more than allowed"),
        pytest.param(status(200, gzip.compress(bytes(3 * MIB))), "it unpacks to more", id="bomb as a file"),
        pytest.param(gzipped(gzip.compress(bytes(99 * MIB))), "it unpacks to more", id="bomb in a bomb"),
        pytest.param(status(200, lzma.compress(bytes(3 * MIB))), "it unpacks to more", id="bomb by xz"),
        pytest.param(status(200, bz2.compress(bytes(3 * MIB))), "it unpacks to more", id="bomb by bzip2"),
    ],
)
def test_more_than_a_list_has_is_broken_off(behaviour: Behaviour, text: str, fetching: Fetching) -> None:
    with WebServer({"/list": behaviour}) as web:
        failure = fetching.failure(web.url("/list", HOST), max_bytes=MIB)
        assert failure.why is Why.TOO_LARGE, failure
        assert text in failure.text
        assert len(web.requests) == 1


def test_the_ratio_holds_below_the_size_that_is_allowed(fetching: Fetching) -> None:
    with WebServer({"/list": gzip_bomb(8 * MIB)}) as web:
        failure = fetching.failure(web.url("/list", HOST))
        assert (failure.why, failure.text) == (Why.TOO_LARGE, f"{HOST}: it unpacks to more than 20 times what was sent")


def test_a_file_that_unpacks_to_nothing_for_ever_ends_by_what_was_sent(fetching: Fetching) -> None:
    with WebServer({"/list": endless(gzip.compress(b"") * 100)}) as web:
        failure = fetching.failure(web.url("/list", HOST), max_bytes=MIB // 16)
        assert (failure.why, "it is larger" in failure.text) == (Why.TOO_LARGE, True)


def test_a_small_list_of_the_same_line_is_no_bomb(fetching: Fetching) -> None:
    with WebServer({"/list": gzipped(ONE_LINE * 90_000)}) as web:
        assert fetching.content(web.url("/list", HOST)) == ONE_LINE * 90_000


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"])
def test_a_single_list_that_is_packed_is_unpacked_and_an_archive_is_not(pack, fetching: Fetching) -> None:
    packed = pack(LIST)
    with WebServer({"/list": packed, "/cut": packed[:-9], "/spoilt": packed[:20] + b"spoilt" + packed[26:]}) as web:
        assert fetching.content(web.url("/list", HOST)) == LIST
        assert fetching.content(web.url("/list", HOST), member="adult/domains") == packed
        assert fetching.failure(web.url("/cut", HOST)).why is Why.TRUNCATED
        assert fetching.failure(web.url("/spoilt", HOST)).why is Why.ARCHIVE


def test_a_page_is_fetched_and_left_to_the_judge(fetching: Fetching) -> None:
    with WebServer({"/list": html(b"<html>log in</html>")}) as web:
        assert fetching.content(web.url("/list", HOST)) == b"<html>log in</html>"


def test_an_empty_list_is_fetched_and_left_to_the_judge(fetching: Fetching) -> None:
    with WebServer({"/list": b""}) as web:
        assert fetching.content(web.url("/list", HOST)) == b""


def test_after_a_broken_download_the_next_try_begins_anew(fetching: Fetching) -> None:
    with WebServer({"/list": in_turn(cut_off(LIST, 100), LIST)}) as web:
        assert fetching.content(web.url("/list", HOST)) == LIST


def test_a_mirror_takes_over_from_a_server_that_drips(fetching: Fetching) -> None:
    with WebServer({"/a": trickle(LIST, 0.05), "/b": LIST}) as web:
        assert fetching.content(web.url("/a", HOST), web.url("/b", HOST)) == LIST


def test_the_time_of_one_download_is_not_taken_from_the_next(fetching: Fetching) -> None:
    with WebServer({"/a": trickle(LIST, 0.05, 200), "/b": LIST}) as web:
        fetching.failure(web.url("/a", HOST))
        assert fetching.content(web.url("/b", HOST)) == LIST


def test_redirects_end(fetching: Fetching) -> None:
    circle = {"/a": redirect("/b"), "/b": redirect("/c"), "/c": redirect("/a"), "/self": redirect("/self")}
    hops = {f"/{n}": redirect(f"/{n + 1}") for n in range(6)} | {"/6": serve(LIST)}
    with WebServer({**circle, **hops}) as web:
        for path in ("/a", "/self"):
            failure = fetching.failure(web.url(path, HOST))
            assert (failure.why, "in a circle" in failure.text) == (Why.REDIRECT, True)
        failure = fetching.failure(web.url("/0", HOST))
        assert (failure.why, failure.text) == (Why.REDIRECT, f"{HOST}: it redirects more than 5 times")
        assert fetching.content(web.url("/1", HOST)) == LIST
        web.files["/grows"] = redirect("/grows")
        assert fetching.failure(web.url("/grows", HOST)).why is Why.REDIRECT


def test_a_closed_port_is_a_network_that_is_not_there(fetching: Fetching) -> None:
    with WebServer({}) as web:
        pass
    failure = fetching.failure(web.url("/list", HOST))
    assert failure.why is Why.NETWORK
    assert f"no connection to 127.0.0.1 port {web.port}: Connection refused" in failure.text
    assert len(fetching.pauses) == 1


def test_a_name_that_nobody_knows(fetching: Fetching) -> None:
    failure = fetching.failure("https://nowhere.example/list")
    assert failure.why is Why.RESOLVE
    assert "NXDOMAIN" in failure.text
    assert not fetching.pauses


def test_of_many_addresses_the_first_that_answers_is_taken(tmp_path: Path) -> None:
    records = {HOST: ["127.0.0.2", "127.0.0.3", "127.0.0.1"]}
    with Fetching(tmp_path, records) as fetching, WebServer({"/list": LIST}) as web:
        assert fetching.content(web.url("/list", HOST)) == LIST


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_a_list_may_come_over_ipv6(tmp_path: Path) -> None:
    try:
        web = WebServer({"/list": LIST}, address="::1")
    except OSError:
        pytest.skip("no IPv6 on loopback")
    with Fetching(tmp_path, {HOST: ["::1"]}) as fetching, web:
        assert fetching.content(web.url("/list", HOST)) == LIST
        assert fetching.content(web.url("/list")) == LIST
        assert web.requests[1].headers["host"] == f"[::1]:{web.port}"


# ---------------------------------------------------------------------------------------------------------------- TLS


def test_a_certificate_is_verified_against_the_name_though_an_address_is_connected_to(
    over_tls: Fetching, authority: Authority
) -> None:
    with WebServer({"/list": LIST}, tls_of(authority, HOST)) as web:
        assert over_tls.content(web.url("/list", HOST)) == LIST
        assert web.requests[0].headers["host"] == f"{HOST}:{web.port}"
        failure = over_tls.failure(web.url("/list"))  # by its address, which is not in the certificate
        assert (failure.why, "IP address mismatch" in failure.text) == (Why.TLS, True)


def test_two_names_of_one_address_are_two_servers(tmp_path: Path, authority: Authority) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    records = {HOST: ["127.0.0.1"], "other.example": ["127.0.0.1"]}
    web = WebServer({"/list": LIST}, tls_of(authority, HOST))
    with Fetching(staging, records, ca=authority.ca) as fetching, web:
        assert fetching.content(web.url("/list", HOST)) == LIST
        # A connection to that address is open. Its certificate says nothing of the other name.
        assert fetching.failure(web.url("/list", "other.example")).why is Why.TLS


@pytest.mark.parametrize(
    ("names", "days", "text"),
    [
        pytest.param(("other.example",), (-1, 90), "Hostname mismatch", id="another name"),
        pytest.param((HOST,), (-90, -1), "certificate has expired", id="expired"),
        pytest.param((HOST,), (1, 90), "certificate is not yet valid", id="not yet valid"),
    ],
)
@pytest.mark.parametrize("trusted", [True, False], ids=["clock trusted", "clock not trusted"])
def test_a_bad_certificate_is_refused_and_may_be_the_clock_s_fault(
    trusted: bool, names: tuple[str, ...], days: tuple[int, int], text: str, tmp_path: Path, authority: Authority
) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    web = WebServer({"/list": LIST}, tls_of(authority, *names, days=days))
    with Fetching(staging, ca=authority.ca, clock_trusted=trusted) as fetching, web:
        failure = fetching.failure(web.url("/list", HOST))
        assert failure.why is (Why.TLS if trusted else Why.CLOCK)
        assert text in failure.text
        assert ("its clock says 2027-01-15 08:00 UTC" in failure.text) is not trusted
        assert not web.requests
        assert not fetching.pauses


def test_an_authority_that_nobody_knows_is_refused(fetching: Fetching, authority: Authority) -> None:
    with WebServer({"/list": LIST}, tls_of(authority, HOST)) as web:
        failure = fetching.failure(web.url("/list", HOST))
        assert (failure.why, "unable to get local issuer" in failure.text) == (Why.TLS, True)
        assert not web.requests


def test_plain_text_is_never_the_way_out(over_tls: Fetching) -> None:
    def plain(line: Line) -> None:
        line.exactly(5)
        line.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        while line.sock.recv(4096):
            pass

    with Peer(plain) as peer:
        failure = over_tls.failure(peer.url("https", HOST))
        assert (failure.why, "wrong version number" in failure.text) == (Why.TLS, True)


def test_a_file_of_roots_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "roots.pem").write_text("nothing")
    with Fetching(tmp_path, ca=tmp_path / "roots.pem") as fetching, WebServer({"/list": LIST}) as web:
        failure = fetching(web.url("/list", HOST))
        assert not isinstance(failure, Fetched)
        assert failure.why is Why.TLS
        assert "roots.pem cannot be used" in failure.text


def test_over_tls_an_end_without_goodbye_is_no_end(over_tls: Fetching, authority: Authority) -> None:
    files = {"/well": until_close(LIST), "/cut": until_close(LIST, goodbye=False)}
    with WebServer(files, tls_of(authority, HOST)) as web:
        assert over_tls.content(web.url("/well", HOST)) == LIST
        failure = over_tls.failure(web.url("/cut", HOST))
        assert (failure.why, "without TLS's goodbye" in failure.text) == (Why.TRUNCATED, True)


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        pytest.param(cut_off(LIST, 100), Why.TRUNCATED, id="cut off"),
        pytest.param(silent(), Why.TIMEOUT, id="silent"),
        pytest.param(trickle(LIST, 0.05), Why.TIMEOUT, id="a byte now and then"),
        pytest.param(raw(b""), Why.TRUNCATED, id="no answer at all"),
    ],
)
def test_faults_over_tls(behaviour: Behaviour, why: Why, over_tls: Fetching, authority: Authority) -> None:
    with WebServer({"/list": behaviour}, tls_of(authority, HOST)) as web:
        assert over_tls.failure(web.url("/list", HOST)).why is why
