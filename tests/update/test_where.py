"""The line of a list that speaks about a name."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from filterd.errors import ListError
from filterd.update.where import MAX_LINES, lines_of
from tests.core.rules.reading import source

WANTED = "docs.google.com"


def found(tmp_path: Path, form: str, text: str, name: str = WANTED) -> list[tuple[str, str]]:
    path = tmp_path / "copy"
    path.write_bytes(text.encode())
    return lines_of(source(form, url="https://lists.example/x"), path, name)


@pytest.mark.parametrize(
    ("form", "text", "line"),
    [
        ("domains", "# head\n\na.com\nGoogle.com.\nb.com\n", ("4", "Google.com.")),
        ("domains", "a.com\r\nb.com\r\n  google.com \r\n", ("3", "google.com")),
        ("hosts", "127.0.0.1 localhost\n0.0.0.0 a.com docs.google.com b.com # x\n", ("2", None)),
        ("adblock", "! head\n||a.com^\n||google.com^\n@@||docs.google.com^\n", ("3", "||google.com^")),
        ("wildcard", "a.com\n*.google.com\n", ("2", "*.google.com")),
        ("rpz", "$TTL 60\n@ SOA a. b. 1 2 3 4 5\n*.google.com CNAME .\n", ("3", "*.google.com CNAME .")),
        ("rpz", "$ORIGIN rpz.x.\na.com CNAME .\ngoogle.com.rpz.x. CNAME .\n*.google.com CNAME .\n", ("4", None)),
        ("dnsmasq", "local=/a.com/docs.google.com/\n", ("1", "local=/a.com/docs.google.com/")),
        ("v2fly", "a.com\nfull:docs.google.com @ads\n", ("2", "full:docs.google.com @ads")),
    ],
    ids=["domains", "CRLF", "several in a line", "exception", "wildcard", "RPZ", "RPZ origin", "dnsmasq", "v2fly"],
)
def test_the_line_is_found_in_every_format(tmp_path: Path, form: str, text: str, line: tuple[str, str | None]) -> None:
    ((where, shown),) = found(tmp_path, form, text)
    assert (where, shown) == (line[0], line[1] or shown)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("hosts", "0.0.0.0 google.com\n0.0.0.0 x.docs.google.com\n"),
        ("rpz", "google.com CNAME .\n*.docs.google.com CNAME .\n"),
        ("domains", "docs.google.com.vn\nocs.google.com\n"),
    ],
    ids=["other names alone", "only below", "look-alikes"],
)
def test_lines_about_other_names_are_not_told(tmp_path: Path, form: str, text: str) -> None:
    assert found(tmp_path, form, text) == []


def test_what_closes_only_names_below_is_found_for_those(tmp_path: Path) -> None:
    text = "google.com CNAME .\n*.docs.google.com CNAME .\n"
    assert found(tmp_path, "rpz", text, f"*.{WANTED}") == [("2", "*.docs.google.com CNAME .")]


def test_every_line_is_told_up_to_a_bound(tmp_path: Path) -> None:
    lines = found(tmp_path, "domains", "google.com\na.com\ndocs.google.com\n" + 50 * "google.com\n")
    assert [where for where, _ in lines[:3]] == ["1", "3", "4"]
    assert len(lines) == MAX_LINES


def test_a_line_deep_in_a_long_list_has_its_number(tmp_path: Path) -> None:
    text = "".join(f"n{n}.com\n" for n in range(60_000)) + "google.com\n" + "x.com\n" * 9
    assert found(tmp_path, "domains", text) == [("60001", "google.com")]


def test_a_list_in_an_archive_is_looked_into(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in (
            ("blacklists/games/domains", b"a.com\ngoogle.com\n"),
            ("blacklists/ads/domains", b"b.com\n"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    wanted = source("ut1", url="https://lists.example/x", member="blacklists/games")
    assert lines_of(wanted, path, WANTED) == [("2", "google.com")]
    with pytest.raises(ListError, match="the category is missing"):
        lines_of(source("ut1", url="https://lists.example/x", member="blacklists/chat"), path, WANTED)


def test_a_line_that_another_file_of_the_tree_brings_in_is_named_with_its_file(tmp_path: Path) -> None:
    for name, text in (("all", "a.com\ninclude:google\n"), ("google", "# Google\ngoogle.com\n")):
        (tmp_path / name).write_text(text)
    assert lines_of(source("v2fly", member="all"), tmp_path, WANTED) == [("google:2", "google.com")]


def test_control_characters_of_a_stranger_are_not_shown(tmp_path: Path) -> None:
    ((_, shown),) = found(tmp_path, "hosts", "0.0.0.0 google.com docs.google.com # \x1b[31m\n")
    assert "\x1b" not in shown


def test_a_copy_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises((ListError, OSError)):
        lines_of(source("domains"), tmp_path / "copy", WANTED)
