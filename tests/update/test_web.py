from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from filterd.core.updates import Why
from filterd.update import web as module
from filterd.update.web import is_public, place
from tests.certificates import Authority
from tests.update.fetching import HOST, LIST, Fetching
from tests.update.nameserver import changing
from tests.update.webserver import WebServer, redirect, tls_of

PRIVATE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "100.127.255.254", "224.0.0.251", "239.255.255.250", "240.0.0.1",
    "255.255.255.255", "192.0.0.1", "192.0.2.1", "198.18.0.1", "203.0.113.9",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "fc00::1", "fd12:3456::1",
    "fe80::1", "fec0::1", "ff02::1", "ff0e::1", "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::a00:1",
    "64:ff9b:1::808:808", "2002:7f00:1::", "2002:a00:1::1", "2001::1", "2001:db8::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "172.32.0.1", "100.128.0.1", "192.169.0.1", "2606:4700::1111", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://Lists.Example", "https://lists.example/"),
        ("https://lists.example.:443/a?b=c#d", "https://lists.example/a?b=c"),
        ("http://lists.example:8080//a//b", "http://lists.example:8080//a//b"),
        ("https://[2606:4700::0:1111]:8443/", "https://[2606:4700::1111]:8443/"),
        ("https://bücher.example/ü?ü", "https://xn--bcher-kva.example/%C3%BC?%C3%BC"),
        ("https://lists.example/a b", "https://lists.example/a%20b"),
        ("https://lists.example/%2e%2e/x", "https://lists.example/%2e%2e/x"),
    ],
)
def test_a_url_has_one_form(url: str, shown: str) -> None:
    assert str(place(url)) == shown


@pytest.mark.parametrize(
    "url",
    [
        "", "lists.example", "//lists.example/a", "file:///etc/passwd", "ftp://lists.example/", "gopher://lists.example/",
        "https://", "https:///a", "https://user@lists.example/", "https://user:secret@lists.example/",
        "https://lists.example\\@evil.example/", "https://lists.example:0x50/", "https://lists.example:99999/",
        "https://1.2.3.999/", "https://0177.0.0.1/", "https://xn--a.lists.example/", "https://xn--/",
        "https://[::1/", "https://a b.example/", "https://lists..example/", "https://lists.example/\x00",
        "https://lists.example/" + "x" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_place_to_ask(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        place(url)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "100.64.0.1", "fd00::1", "64:ff9b::10.0.0.1"]
)
def test_a_name_that_leads_inside_is_not_followed(address: str, tmp_path: Path) -> None:
    with Fetching(tmp_path, {HOST: [address]}) as fetching, WebServer({"/list": LIST}) as web:
        failure = fetching.failure(web.url("/list", HOST), allow_private=False)
        assert failure.why is Why.FORBIDDEN
        assert f"{HOST} is {ipaddress.ip_address(address)}, which is no address of the Internet" in failure.text
        assert not web.connections


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0"])
def test_an_address_inside_is_not_asked(host: str, tmp_path: Path) -> None:
    with Fetching(tmp_path) as fetching, WebServer({"/list": LIST}) as web:
        failure = fetching.failure(f"http://{host}:{web.port}/list", allow_private=False)
        assert (failure.why, "allow_private: true" in failure.text) == (Why.FORBIDDEN, True)
        assert not web.connections


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0x7f.1", "127.1", "localhost"])
def test_other_spellings_of_an_address_are_names_that_nobody_knows(host: str, tmp_path: Path) -> None:
    with Fetching(tmp_path) as fetching, WebServer({"/list": LIST}) as web:
        failure = fetching.failure(f"http://{host}:{web.port}/list")
        assert failure.why is Why.RESOLVE
        assert not web.connections


def test_plain_http_is_asked_only_where_the_source_says_so(tmp_path: Path) -> None:
    with Fetching(tmp_path) as fetching, WebServer({"/list": LIST}) as web:
        failure = fetching.failure(web.url("/list", HOST), allow_http=False)
        assert (failure.why, "allow_http: true" in failure.text) == (Why.FORBIDDEN, True)
        assert not web.connections


@pytest.mark.parametrize(
    "url", ["https://user:secret@lists.example/x", "gopher://lists.example/x", "file:///etc/passwd", "file:curated/x"]
)
def test_a_url_that_may_not_be_asked_is_left_for_the_next(url: str, tmp_path: Path) -> None:
    with Fetching(tmp_path) as fetching, WebServer({"/list": LIST}) as web:
        assert fetching.failure(url).why is Why.FORBIDDEN
        assert fetching.content(url, web.url("/list", HOST)) == LIST


@pytest.mark.parametrize(
    ("to", "text"),
    [
        ("gopher://lists.example:70/_SMTP", "gopher: is neither"),
        ("file:///etc/passwd", "file: is neither"),
        ("ftp://lists.example/x", "ftp: is neither"),
        ("data:text/plain,ads.example", "data: is neither"),
        ("javascript:alert(1)", "javascript: is neither"),
        ("//user@lists.example/x", "a user name"),
        ("http://user:secret@lists.example/x", "a user name"),
        ("http://lists.example\\@evil.example/", "a user name"),
        ("http://[::1/", "Invalid IPv6 URL"),
        ("https://xn--a.lists.example/x", "'xn--a.lists.example' is no host"),
        ("http://127.0.0.2:{port}/x", "127.0.0.2 is no address of the Internet"),
        ("http://[::1]:{port}/x", "::1 is no address of the Internet"),
        ("http://inside.example:{port}/x", "inside.example is 10.0.0.1"),
        ("https://nowhere.example/", "NXDOMAIN"),
    ],
)
def test_a_redirect_may_not_lead_anywhere_else(
    to: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A server of the Internet that stands on loopback.
    monkeypatch.setattr(module, "is_public", lambda address: address == "127.0.0.1")
    records = {HOST: ["127.0.0.1"], "inside.example": ["10.0.0.1"]}
    with Fetching(tmp_path, records) as fetching, WebServer({}) as web:
        web.files["/list"] = redirect(to.replace("{port}", str(web.port)))
        failure = fetching.failure(web.url("/list", HOST), allow_private=False)
        assert failure.why is (Why.RESOLVE if "NXDOMAIN" in text else Why.REDIRECT)
        assert text in failure.text
        assert len(web.requests) == 1


def test_a_redirect_from_https_to_plain_http_is_not_followed(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    (tmp_path / "staging").mkdir()
    with Fetching(tmp_path / "staging", ca=authority.ca) as fetching, WebServer({"/list": LIST}) as plain:
        assert fetching.content(plain.url("/list", HOST)) == LIST  # the source allows it
        with WebServer({"/list": redirect(plain.url("/list", HOST))}, tls_of(authority, HOST)) as web:
            failure = fetching.failure(web.url("/list", HOST))
            assert (failure.why, "from https to plain http" in failure.text) == (Why.REDIRECT, True)
        assert len(plain.requests) == 1


def test_what_was_checked_is_what_is_connected_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_public", lambda address: address == "127.0.0.1")
    script = changing(HOST, ["127.0.0.1"], ["127.0.0.2"])
    with Fetching(tmp_path, script=script) as fetching, WebServer({"/list": LIST}) as web:
        for _ in range(3):
            assert fetching.content(web.url("/list", HOST), allow_private=False) == LIST
        assert sum(question.kind == "A" for question in fetching.dns.asked(HOST)) == 1


def test_of_several_addresses_only_those_that_are_allowed_are_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "is_public", lambda address: address == "127.0.0.1")
    inside = WebServer({"/list": LIST}, address="127.0.0.2")
    with Fetching(tmp_path, {HOST: ["127.0.0.2", "127.0.0.1"]}) as fetching, inside, WebServer({"/list": LIST}) as web:
        assert fetching.content(web.url("/list", HOST), allow_private=False) == LIST
        assert fetching.failure(inside.url("/list", HOST), allow_private=False).why is Why.NETWORK
        assert not inside.connections


def test_a_connection_to_a_private_address_serves_no_source_that_may_not_go_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Fetching(tmp_path) as fetching, WebServer({"/list": LIST}) as web:
        assert fetching.content(web.url("/list", HOST)) == LIST
        assert fetching.failure(web.url("/list", HOST), allow_private=False).why is Why.FORBIDDEN
        monkeypatch.setattr(module, "is_public", lambda _: True)
        assert fetching.content(web.url("/list", HOST), allow_private=False) == LIST
        assert web.connections == 2
