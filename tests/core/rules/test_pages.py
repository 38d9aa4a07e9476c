"""What comes in place of lists."""

from __future__ import annotations

import pytest

from filterd.core.rules import pages
from filterd.errors import ListError

NAMES = "".join(f"n{n}.com\n" for n in range(50))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("<!DOCTYPE html>\n<html>\n", "html", id="page"),
        pytest.param("\n\n  <html lang=vi>", "html", id="indented"),
        pytest.param("# Title\n# x\n! y\n<HTML>\n", "html", id="after comments"),
        pytest.param("<script>location='/login'</script>\n<!doctype html>\n", "html", id="script before the page"),
        pytest.param("var a = 1;\nfunction f() {}\n</script><html>\n", "html", id="script without its tag"),
        pytest.param("Loading... <body onload=f()>", "html", id="text before the tag"),
        pytest.param("<!-- saved -->\n<p>hello\n", "html", id="page comment"),
        pytest.param("<center>\n<h1>502 Bad Gateway</h1>\n", "html", id="gateway"),
        pytest.param("a.com\n<p>\n<br />\nc.com\n</p>\n", "html", id="tags among names"),
        pytest.param(NAMES + "<title>Log in</title>\n", "html", id="page after names"),
        pytest.param('<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>\n', "html", id="XML"),
        pytest.param('{"message": "Not Found"}\n', "format", id="JSON"),
        pytest.param('{\n  "error": {\n', "format", id="JSON over lines"),
        pytest.param('[{"a": 1}]', "format", id="JSON array"),
        pytest.param("404: Not Found", "format", id="404"),
        pytest.param("HTTP/1.1 503 Service Unavailable\n", "format", id="status line"),
        pytest.param("Too many requests", "format", id="too many requests"),
        pytest.param("error code: 1015", "format", id="error code"),
        pytest.param("Rate limit exceeded, try again later\n", "format", id="rate limit"),
        pytest.param("Access denied\n", "format", id="denied"),
        pytest.param("Forbidden", "format", id="forbidden"),
        pytest.param("upstream connect error or disconnect/reset before headers", "format", id="proxy"),
        pytest.param("Couldn't find the requested file /x in a/b.\n", "format", id="mirror"),
    ],
)
def test_a_page_or_a_message_is_no_list(text: str, why: str) -> None:
    with pytest.raises(ListError, match="and not a list: line") as caught:
        pages.refuse(text.encode())
    assert caught.value.why == why


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("# see <a href=x>here</a>\n# <html>\na.com\n", id="tags in comments"),
        pytest.param("[Adblock Plus 2.0]\n||a.com^\n", id="adblock head"),
        pytest.param("||a.com^$replace=/<script>//\nb.com##script:has-text(<body)\n", id="rules that speak of tags"),
        pytest.param("404.com\nerror.com\nwarning-signs.com\ngone.com\n", id="names like messages"),
        pytest.param("forbidden.example\nnotfound.com\n", id="more names"),
        pytest.param("a.com\n<b>\n<br>\nc.com\n", id="stray tags"),
        pytest.param(NAMES + "<b>\n" * 5, id="tags far down"),
        pytest.param("$TTL 30\n@ SOA a. b. 1 1 1 1 1\n", id="zone"),
        pytest.param("<<<<<<< HEAD\na.com\n", id="merge, which is seen elsewhere"),
        pytest.param("::1 localhost\n0.0.0.0 a.com\n", id="hosts"),
    ],
)
def test_a_list_is_no_page(text: str) -> None:
    pages.refuse(text.encode())
