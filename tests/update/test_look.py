"""Downloads in figures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from filterd.core.updates import Figures
from filterd.errors import ListError
from filterd.store.shelf import Shelf
from filterd.update.look import look
from tests.store.test_trees import tar
from tests.update.nights import AROUND, KNOWN, a_source, body


@pytest.mark.parametrize("form", AROUND)
@pytest.mark.parametrize("declared_as", ["auto", "itself"])
def test_a_list_of_any_format_is_counted(tmp_path: Path, form: str, declared_as: str) -> None:
    (tmp_path / "copy").write_bytes(body(form, 50, declared=50))
    found = look(a_source("auto" if declared_as == "auto" else form), tmp_path / "copy", KNOWN)
    assert found == Figures(form, lines=54, entries=50, declared=50)


def test_exceptions_and_refused_lines_are_counted_apart(tmp_path: Path) -> None:
    text = "||a.com^\n||b.com^\n@@||c.b.com^\n||d.com^$script\n/x[0-9]/\na b\n||e.com^\n" + "||f.com^\n" * 50
    (tmp_path / "copy").write_text(text)
    found = look(a_source("adblock"), tmp_path / "copy", KNOWN)
    assert found == Figures("adblock", lines=57, entries=53, exceptions=1, refused=3, malformed=1)


def test_too_few_is_for_the_judge(tmp_path: Path) -> None:
    (tmp_path / "copy").write_bytes(body("hosts", 3))
    assert look(a_source("hosts", min_entries=1000), tmp_path / "copy", KNOWN).entries == 3
    (tmp_path / "copy").write_bytes(body("hosts", 0, declared=0))
    assert look(a_source("hosts", min_entries=1000), tmp_path / "copy", KNOWN) == Figures("hosts", 4, 0, declared=0)


@pytest.mark.parametrize(
    ("text", "form", "why"),
    [
        pytest.param(b"<html>\n", "domains", "html", id="page"),
        pytest.param(b"404: Not Found", "unbound", "format", id="message"),
        pytest.param(b"\x1f\x8b" + bytes(50), "domains", "binary", id="gzip"),
        pytest.param(b"a.com\n\0", "domains", "binary", id="NUL"),
        pytest.param(b"192.0.2.1\n192.0.2.2\n", "domains", "format", id="addresses"),
        pytest.param(b"a.com\nb.com\n", "cidr", "format", id="names where addresses are meant"),
        pytest.param(b"||a.com^\n||b.com^\n", "hosts", "format", id="another format"),
        pytest.param(b"some prose\nand more\n", "auto", "format", id="no format"),
        pytest.param(b"# only comments\n", "auto", "empty", id="comments"),
        pytest.param(b"<<<<<<< HEAD\na.com\n=======\nb.com\n>>>>>>> x\n", "domains", "format", id="merge"),
    ],
)
def test_what_is_no_list_says_what_it_is(tmp_path: Path, text: bytes, form: str, why: str) -> None:
    (tmp_path / "copy").write_bytes(text)
    with pytest.raises(ListError) as caught:
        look(a_source(form), tmp_path / "copy", KNOWN)
    assert caught.value.why == why


def test_a_file_that_is_gone_or_no_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ListError, match="cannot be opened") as caught:
        look(a_source("hosts"), tmp_path / "gone", KNOWN)
    assert caught.value.why == "missing"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ListError, match="not a regular file") as caught:
        look(a_source("hosts"), tmp_path / "pipe", KNOWN)
    assert caught.value.why == "disk"


def test_of_an_archive_the_member_is_counted_and_one_shelf_serves_all(tmp_path: Path) -> None:
    path = tar(tmp_path / "u.tgz", {"b/games/domains": "a.com\nb.com\n", "b/ads/domains": "c.com\n"})
    with Shelf() as shelf:
        counted = [look(a_source("ut1", member=f"b/{name}"), path, KNOWN, shelf).entries for name in ("ads", "games")]
    assert counted == [1, 2]
    with pytest.raises(ListError, match="missing, not empty") as caught:
        look(a_source("ut1", member="b/gone"), path, KNOWN)
    assert caught.value.why == "member"


def test_of_v2fly_what_a_file_includes_counts(tmp_path: Path) -> None:
    path = tar(tmp_path / "v.tgz", {"r/data/games": "a.com\ninclude:more\n", "r/data/more": "b.com\nfull:c.com\n"})
    assert look(a_source("v2fly", member="games"), path, KNOWN).entries == 3
