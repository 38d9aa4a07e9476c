"""Bad days of lists as they were and as they may be, made here after what projects went through; and good days."""

from __future__ import annotations

import gzip
import lzma
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from filterd.core.updates import Why
from filterd.store import trees
from tests.store.test_trees import tar
from tests.update.nights import LOGIN, TAKEN, Box, a_source, body, names, verdict

URLS = [f"site-{n}.com/page/{n}" for n in range(400)]


@dataclass(frozen=True)
class Day:
    """A list before and after; `form` as the source declares it."""

    after: bytes
    expected: tuple[str, str]
    before: bytes | None = body("hosts", 1000)
    form: str = "hosts"
    settings: dict[str, object] = field(default_factory=dict)


BAD_DAYS = {
    "nothing at all": Day(b"", ("refused", "empty")),
    "nothing at all, format guessed": Day(b"", ("refused", "empty"), form="auto"),
    "blank lines": Day(b"\r\n" * 40, ("refused", "empty")),
    "only the header": Day(body("hosts", 0), ("refused", "empty")),
    "only the header, saying so": Day(body("hosts", 0, declared=0), ("refused", "empty")),
    "only the header, saying otherwise": Day(body("hosts", 0, declared=1000), ("refused", "empty")),
    "only the header, for the first time": Day(body("hosts", 0), ("refused", "empty"), before=None),
    "a lone localhost": Day(b"127.0.0.1 localhost\n", ("refused", "empty")),
    "the top of a hosts file": Day(b"127.0.0.1 localhost\n::1 ip6-localhost\n0.0.0.0 0.0.0.0\n", ("refused", "format")),
    "all of it excepted": Day(
        body("adblock", 0) + b"".join(f"@@||{name}^\n".encode() for name in names(1000)),
        ("refused", "empty"), body("adblock", 1000), "adblock",
    ),
    "back at 4 %": Day(body("hosts", 40), ("held", "halved")),
    "a fifth of it": Day(body("hosts", 199), ("held", "halved")),
    "under half, though much may go": Day(body("hosts", 490), ("held", "halved"), settings={"max_shrink": 0.9}),
    "nearly half of it": Day(body("hosts", 545), ("held", "shrunk")),
    "a little too much of it": Day(body("hosts", 790), ("held", "shrunk")),
    "three times as long": Day(body("hosts", 3200), ("held", "grew")),
    "a hundred times as long": Day(body("hosts", 14_000), ("held", "grew"), body("hosts", 140)),
    "fewer than the source must have": Day(body("hosts", 900), ("refused", "too-few"), settings={"min_entries": 950}),
    "too few, for the first time": Day(body("hosts", 9), ("refused", "too-few"), None, settings={"min_entries": 950}),
    "cut off, and it says so": Day(body("hosts", 1000, declared=1000)[:20_000], ("refused", "count")),
    "cut off a little": Day(body("hosts", 940, declared=1000), ("refused", "count")),
    "cut off, for the first time": Day(body("adblock", 600, declared=1000), ("refused", "count"), None, "adblock"),
    "a zone cut off": Day(body("rpz", 700, declared=1000), ("refused", "count"), body("rpz", 1000), "rpz"),
    "much more than it says, of a sudden": Day(
        body("hosts", 1150, declared=900), ("held", "count"), body("hosts", 1000, declared=1000)
    ),
    "a page": Day(b"<!DOCTYPE html>\n<html><body>Not here</body></html>\n", ("refused", "html")),
    "a page after the header of a list": Day(body("hosts", 0) + b"\n<html>\n<body>\n", ("refused", "html")),
    "a login page that begins with a script": Day(LOGIN, ("refused", "html")),
    "a login page, in CR LF and with a mark": Day(b"\xef\xbb\xbf" + LOGIN.replace(b"\n", b"\r\n"), ("refused", "html")),
    "a page below the list": Day(body("hosts", 900) + LOGIN, ("refused", "html")),
    "a page of a store": Day(b'<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code></Error>', ("refused", "html")),
    "an answer for programs": Day(b'{"message":"API rate limit exceeded"}', ("refused", "format")),
    "not found": Day(b"404: Not Found", ("refused", "format")),
    "not found, format guessed": Day(b"404: Not Found", ("refused", "format"), form="auto"),
    "too many requests": Day(b"Too many requests\n", ("refused", "format"), body("domains", 50), "domains"),
    "one word": Day(b"Forbidden\n", ("refused", "format"), body("domains", 50), "domains"),
    "a pointer to a file": Day(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0123456789abcdef\nsize 4000000\n",
        ("refused", "format"),
    ),
    "a merge nobody finished": Day(
        body("hosts", 500) + b"<<<<<<< HEAD\n0.0.0.0 a.com\n=======\n0.0.0.0 b.com\n>>>>>>> main\n",
        ("refused", "format"),
    ),
    "packed": Day(gzip.compress(body("hosts", 1000)), ("refused", "binary")),
    "packed tighter": Day(lzma.compress(body("hosts", 1000)), ("refused", "binary")),
    "a zip": Day(b"PK\x03\x04" + bytes(500), ("refused", "binary")),
    "two bytes a letter": Day(body("hosts", 1000).decode().encode("utf-16"), ("refused", "binary")),
    "two bytes a letter, unmarked": Day(body("hosts", 1000).decode().encode("utf-16-le"), ("refused", "binary")),
    "holes in it": Day(body("hosts", 990) + bytes(4096), ("refused", "binary")),
    "one endless line": Day(body("hosts", 9000).replace(b"\n", b" "), ("refused", "binary")),
    "another format": Day(body("adblock", 1000), ("refused", "format")),
    "another format, the other way": Day(body("hosts", 1000), ("refused", "format"), body("adblock", 1000), "adblock"),
    "a tenth in another format, then a fifth": Day(
        body("hosts", 850) + body("dnsmasq", 150), ("held", "share"), body("hosts", 1000)
    ),
    "pages instead of names": Day(body("domains", URLS), ("refused", "format"), body("domains", 1000), "domains"),
    "pages among the names": Day(
        body("domains", [*names(850, 400), *URLS]), ("held", "share"), body("domains", 1000), "domains"
    ),
    "a list for browsers": Day(
        body("adblock", 300) + b"##.banner\n||a.com^$script,third-party\n/ads/*\n" * 400,
        ("held", "share"), None, "adblock",
    ),
    "addresses instead of names": Day(
        "".join(f"192.0.2.{n}\n" for n in range(256)).encode(), ("refused", "format"), body("domains", 256), "domains"
    ),
    "names instead of addresses": Day(
        body("domains", 256), ("refused", "format"), "".join(f"192.0.2.{n}\n" for n in range(256)).encode(), "cidr"
    ),
    "exceptions for nearly all of it": Day(
        body("adblock", 1000) + b"".join(f"@@||{name}^\n".encode() for name in names(900)),
        ("held", "shrunk"), body("adblock", 1000), "adblock",
    ),
    "its exceptions forgotten": Day(
        body("adblock", 1000), ("held", "grew"),
        body("adblock", 1000) + b"".join(f"@@||www.{name}^\n".encode() for name in names(90)), "adblock",
    ),
    "prose": Day(b"This list has moved.\nPlease use the new address from now on.\n", ("refused", "format")),
}  # fmt: skip

GOOD_DAYS = {
    "-19 %": Day(body("hosts", 810), TAKEN),
    "-20 %": Day(body("hosts", 800), TAKEN),
    "+24 %": Day(body("hosts", 1240), TAKEN),
    "+25 %": Day(body("hosts", 1250), TAKEN),
    "the same names in another order": Day(body("hosts", reversed(names(1000))), TAKEN),
    "all names new": Day(body("hosts", names(1000, 5000)), TAKEN),
    "CR LF": Day(body("hosts", 1000, end="\r\n"), TAKEN),
    "CR": Day(body("hosts", 1000, end="\r"), TAKEN),
    "a byte order mark": Day(b"\xef\xbb\xbf" + body("hosts", 1000), TAKEN),
    "upper case": Day(body("hosts", [name.upper() for name in names(1000)]), TAKEN),
    "no line end at its end": Day(body("hosts", 1000).rstrip(), TAKEN),
    "no header any more": Day(body("hosts", 1000).partition(b"#\n")[2], TAKEN),
    "a longer header": Day(b"# told at length\n" * 500 + body("hosts", 1000), TAKEN),
    "a count for the first time": Day(body("hosts", 1000, declared=1000), TAKEN),
    "no count any more": Day(body("hosts", 1000), TAKEN, body("hosts", 1000, declared=1000)),
    "a count that is off by its header": Day(body("hosts", 1000, declared=1007), TAKEN),
    "remarks behind the names": Day(body("hosts", [f"{name} # seen" for name in names(1000)]), TAKEN),
    "another address that leads nowhere": Day(body("hosts", 1000).replace(b"0.0.0.0 ", b"127.0.0.1\t"), TAKEN),
    "another format where it is guessed": Day(body("adblock", 1000), TAKEN, form="auto"),
    "localhost and friends on top": Day(b"127.0.0.1 localhost\n::1 localhost\n" + body("hosts", 1000), TAKEN),
    "an address as a name": Day(body("hosts", [*names(1000), "0.0.0.0", "192.0.2.7"]), TAKEN),
    "one crooked line": Day(body("hosts", [*names(1000), ".0.0.0 # odd"]), TAKEN),
    "a few pages": Day(body("domains", [*names(1000), *URLS[:60]]), TAKEN, body("domains", 1000), "domains"),
    "much shorter where that is usual": Day(body("hosts", 600), TAKEN, settings={"max_shrink": 0.45}),
    "much longer where that is usual": Day(body("hosts", 9000), TAKEN, settings={"max_grow": 9.0}),
    "empty where that is usual": Day(body("hosts", 0), TAKEN, body("hosts", 0), settings={"min_entries": 0}),
    "the first copy": Day(body("hosts", 5), TAKEN, None),
    "names like messages": Day(b"404.com\nerror.com\nnot-found.com\n", TAKEN, None, "domains"),
}


def lived(tmp_path: Path, day: Day) -> tuple[str, str]:
    box = Box(a_source(day.form, **day.settings))
    if day.before is not None:
        (tmp_path / "before").write_bytes(day.before)
        assert verdict(box, tmp_path / "before") == TAKEN
    (tmp_path / "after").write_bytes(day.after)
    return verdict(box, tmp_path / "after")


@pytest.mark.parametrize("name", BAD_DAYS)
def test_a_bad_day_is_held_or_refused_for_the_right_reason(tmp_path: Path, name: str) -> None:
    assert lived(tmp_path, BAD_DAYS[name]) == BAD_DAYS[name].expected


@pytest.mark.parametrize("name", GOOD_DAYS)
def test_a_good_day_passes(tmp_path: Path, name: str) -> None:
    assert lived(tmp_path, GOOD_DAYS[name]) == TAKEN


MISSING = ("held", "member")
TREE = {f"blacklists/{name}/domains": "\n".join(names(100)) for name in ("adult", "games", "residential_proxies")}
NAMES = "\n".join(names(100))


@pytest.mark.parametrize(
    ("member", "files", "links", "expected"),
    [
        pytest.param("adult", {"blacklists/adult/urls": NAMES}, {}, MISSING, id="its file gone"),
        pytest.param(
            "adult", {f"blacklists/adult/domains.{part}": NAMES for part in "abc"}, {}, MISSING, id="in parts"
        ),
        pytest.param(
            "residential_proxies", {"blacklists/residential-proxies/domains": NAMES}, {}, MISSING, id="renamed"
        ),
        pytest.param(
            "games", {"blacklists/blacklists/games/domains": NAMES}, {}, MISSING, id="only the copy within"
        ),
        pytest.param(
            "games", {"blacklists/x/domains": NAMES}, {"blacklists/games": "../../games"}, MISSING, id="link out"
        ),
        pytest.param("games", {"../games/domains": NAMES, "/games/domains": NAMES}, {}, MISSING, id="escapes"),
        pytest.param("games", {"blacklists/games/domains": ""}, {}, ("refused", "empty"), id="empty"),
        pytest.param("games", {"blacklists/games/domains": "site-1.com\n"}, {}, ("held", "halved"), id="one entry"),
        pytest.param("games", {"blacklists/games/domains": "<html>\n"}, {}, ("refused", "html"), id="a page in it"),
        pytest.param(
            "games", {"blacklists/games/domains": NAMES, "blacklists/blacklists/games/domains": "old.com"}, {}, TAKEN,
            id="a stale copy within",
        ),
        pytest.param("games", {"blacklists/jeux/domains": NAMES}, {"blacklists/games": "jeux"}, TAKEN, id="now a link"),
        pytest.param("games", {"lists-main/blacklists/games/domains": NAMES}, {}, TAKEN, id="another top folder"),
    ],
)  # fmt: skip
def test_a_category_of_an_archive_is_missing_or_empty_or_there(
    tmp_path: Path, member: str, files: dict[str, str], links: dict[str, str], expected: tuple[str, str]
) -> None:
    box = Box(a_source("ut1", member=f"blacklists/{member}"))
    assert verdict(box, tar(tmp_path / "before.tgz", TREE)) == TAKEN
    assert verdict(box, tar(tmp_path / "after.tgz", files, links)) == expected


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        pytest.param(cut, ("refused", "archive"), id="cut off"),
        pytest.param(lambda data: b"", ("refused", "archive"), id="nothing"),
        pytest.param(lambda data: data[:-8] + bytes(8), ("refused", "archive"), id="checksum"),
        pytest.param(lambda data: NAMES.encode(), ("refused", "archive"), id="a text"),
        pytest.param(lambda data: b"PK\x03\x04" + bytes(3000), ("refused", "archive"), id="a zip"),
        pytest.param(lambda data: gzip.compress(NAMES.encode()), ("refused", "archive"), id="a packed text"),
        pytest.param(lambda data: LOGIN, ("refused", "html"), id="a page"),
        pytest.param(lambda data: b"429: Too Many Requests", ("refused", "format"), id="a message"),
    ],
)
def test_what_is_not_the_archive_it_should_be_is_refused(
    tmp_path: Path, spoil: object, expected: tuple[str, str]
) -> None:
    box = Box(a_source("ut1", member="blacklists/games"))
    path = tar(tmp_path / "a.tgz", TREE)
    assert verdict(box, path) == TAKEN
    path.write_bytes(spoil(path.read_bytes()))  # type: ignore[operator]
    assert verdict(box, path) == expected


def test_an_archive_where_a_list_is_meant_is_refused(tmp_path: Path) -> None:
    assert verdict(Box(a_source("domains")), tar(tmp_path / "a", TREE, mode="w")) == ("refused", "binary")


def test_an_archive_that_never_ends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MAX_TREE_BYTES", 1000)
    path = tar(tmp_path / "a.tgz", TREE)
    assert verdict(Box(a_source("ut1", member="blacklists/games")), path) == ("refused", "too-large")


def test_every_reason_a_judge_can_give_is_told_here() -> None:
    told = {day.expected[1] for day in BAD_DAYS.values()} | {"member", "archive", "too-large"}
    expected = {
        Why.EMPTY, Why.HALVED, Why.SHRUNK, Why.GREW, Why.TOO_FEW, Why.COUNT, Why.SHARE, Why.HTML, Why.BINARY,
        Why.FORMAT, Why.MEMBER, Why.ARCHIVE, Why.TOO_LARGE,
    }  # fmt: skip
    assert told == {why.value for why in expected}
