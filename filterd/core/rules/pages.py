"""What servers send in place of a list, with status 200: login pages, error pages, error messages of programs.

The head of a file is looked at, whatever format the list should be in: in none of ours a line begins with a tag. A page
that begins further down shows itself line by line (`report`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from filterd.core.rules.report import shown
from filterd.core.updates import Why
from filterd.errors import ListError

_TAGS_AMONG = 40  # lines with something in them
_MANY_TAGS = 3  # of any kind; one that slipped into a list is dirt like other dirt
_SHORT = 10  # lines: a message of a program is no longer
_TAG = re.compile(rb"</?[a-z][a-z0-9-]*(?:[\s/>]|$)|<!--|<!doctype\b|<\?[a-z]", re.I)
_PAGE = re.compile(rb"<!doctype html|<\?xml\b|</?(?:html|head|body|script|title|noscript|iframe)\b", re.I)
_XML = re.compile(rb"<\?xml\b", re.I)
_FOR_BROWSERS = re.compile(rb"#[@$%?]*#|\$\$|\$[a-z~]+")  # adblock rules that may speak of tags
_JSON = re.compile(rb"\{\s*(?:$|[\"'}])|\[\s*(?:$|[\"'{\[\]])")
_MESSAGE = re.compile(
    rb"(?:http/\d\S*\s+)?[45]\d\d(?:[:\s]|$)"
    rb"|(?:error|fatal|warning|exception|traceback)(?:[:\s]|$)"
    rb"|(?:file |page |object |repository )?not found\b"
    rb"|(?:access|permission|request|connection)\s+(?:is |was )?(?:denied|forbidden|blocked|refused|timed out)\b"
    rb"|too many requests|rate limit|api rate limit|you have exceeded|quota exceeded"
    rb"|(?:forbidden|unauthori[sz]ed|gone)$|moved permanently|bad (?:gateway|request)|gateway time-?out"
    rb"|(?:internal )?server error|(?:service )?(?:temporarily )?unavailable(?:\s|$)|no healthy upstream"
    rb"|upstream (?:connect|request)|couldn't find|invalid request|please (?:log|sign) in",
    re.I,
)


def refuse(head: bytes) -> None:
    """Raise ListError when the first bytes of a file are a page or an error message, and no list."""
    if b"<" in head:
        _refuse_page(head)
    found = list(itertools.islice(_content(head), _SHORT + 1))
    if not found:
        return
    number, first = found[0]
    if _JSON.match(first):
        raise ListError(f"is JSON and not a list: line {number}: {shown(first)!r}", Why.FORMAT)
    if len(found) <= _SHORT and _MESSAGE.match(first):
        raise ListError(f"is a message and not a list: line {number}: {shown(first)!r}", Why.FORMAT)


def _refuse_page(head: bytes) -> None:
    tags = 0
    for at, (number, line) in enumerate(_content(head)):
        tags += _TAG.match(line) is not None
        begins = at == 0 and tags == 1
        many = at < _TAGS_AMONG and tags >= _MANY_TAGS
        if begins or many or (_PAGE.search(line) and not _FOR_BROWSERS.search(line)):
            what = "XML" if _XML.match(line) else "HTML"
            raise ListError(f"is a page and not a list: line {number} is {what}: {shown(line)!r}", Why.HTML)


def _content(head: bytes) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(head.splitlines(), 1):
        line = line.strip()
        if line and line[0] not in b"#!;":
            yield number, line
