"""Archives and folders of lists."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from filterd.errors import ListError
from filterd.store import trees


def tar(path: Path, files: dict[str, str], links: dict[str, str] | None = None, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, target in (links or {}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def text_of(tree: trees.Tree, wanted: str, close: bool = True) -> str | None:
    path = tree.find(wanted)
    text = None if path is None else b"".join(tree.read(path)).decode()
    if close:
        tree.close()
    return text


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_a_member_is_read_from_any_tar_as_often_as_wanted(tmp_path: Path, mode: str) -> None:
    tree = trees.TarTree(tar(tmp_path / "a.tar", {"b/games/domains": "a.com\n", "b/ads/domains": "b.com\n"}, mode=mode))
    assert [text_of(tree, f"b/{name}/domains", close=False) for name in ("ads", "games", "ads")] == [
        "b.com\n",
        "a.com\n",
        "b.com\n",
    ]
    assert tree.position("b/games/domains") < tree.position("b/ads/domains")
    tree.close()


@pytest.mark.parametrize(
    ("links", "wanted", "found"),
    [
        pytest.param({"b/proxy": "redirector"}, "b/proxy/domains", "a.com", id="folder"),
        pytest.param({"b/x": "proxy", "b/proxy": "redirector"}, "b/x/domains", "a.com", id="two hops"),
        pytest.param({"b/proxy": "../b/redirector"}, "b/proxy/domains", "a.com", id="up and down"),
        pytest.param({"b/proxy": "/b/redirector"}, "b/proxy/domains", None, id="absolute"),
        pytest.param({"b/proxy": "../../b/redirector"}, "b/proxy/domains", None, id="out of the tree"),
        pytest.param({"b/proxy": "x", "b/x": "proxy"}, "b/proxy/domains", None, id="circle"),
        pytest.param({"b/proxy": "gone"}, "b/proxy/domains", None, id="to nothing"),
        pytest.param({"etc": "/etc"}, "etc/passwd", None, id="to the system"),
    ],
)
def test_links_are_followed_inside_the_tree_only(
    tmp_path: Path, links: dict[str, str], wanted: str, found: str | None
) -> None:
    archived = trees.TarTree(tar(tmp_path / "a.tgz", {"b/redirector/domains": "a.com"}, links))
    assert text_of(archived, wanted) == found
    root = tmp_path / "root"
    for name in ("b/redirector",):
        (root / name).mkdir(parents=True)
    (root / "b/redirector/domains").write_text("a.com")
    for name, target in links.items():
        (root / name).symlink_to(target)
    assert text_of(trees.FolderTree(root), wanted) == found


def test_a_second_copy_of_the_tree_inside_itself_is_not_used(tmp_path: Path) -> None:
    nested = {"blacklists/blacklists/games/domains": "stale.com", "blacklists/ads/domains": "a.com"}
    tree = trees.TarTree(tar(tmp_path / "a.tgz", nested))
    assert text_of(tree, "blacklists/games/domains") is None
    both = trees.TarTree(tar(tmp_path / "b.tgz", {**nested, "blacklists/games/domains": "fresh.com"}))
    assert text_of(both, "blacklists/games/domains") == "fresh.com"


def test_the_top_folder_of_a_repository_archive_may_be_left_out(tmp_path: Path) -> None:
    tree = trees.TarTree(tar(tmp_path / "a.tgz", {"list-master/data/tiktok": "a.com"}))
    assert text_of(tree, "data/tiktok") == "a.com"


@pytest.mark.parametrize("wanted", ["../secret", "/etc/passwd", "", ".", "a/../../secret"])
def test_a_member_cannot_lead_out_of_a_folder(tmp_path: Path, wanted: str) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "root").mkdir()
    assert trees.FolderTree(tmp_path / "root").find(wanted) is None


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
def test_a_truncated_archive_is_refused(tmp_path: Path, cut: float) -> None:
    text = "".join(f"n{n * 7919}.com\n" for n in range(20_000))
    path = tar(tmp_path / "a.tgz", {"b/games/domains": text})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * cut)])
    with pytest.raises(ListError, match="no sound archive"):
        trees.TarTree(path)


def test_an_archive_damaged_inside_is_refused_when_it_is_read(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"b/games/domains": "a.com\n" * 9000}, mode="w")
    packed = bytearray(gzip.compress(path.read_bytes(), compresslevel=0))
    packed[len(packed) // 2] ^= 0xFF
    (tmp_path / "a.tgz").write_bytes(packed)
    with pytest.raises(ListError, match=r"no sound archive|damaged"):
        text_of(trees.TarTree(tmp_path / "a.tgz"), "b/games/domains")


@pytest.mark.parametrize("data", [b"", b"a.com\n" * 1000, b"PK\x03\x04" + bytes(2000)], ids=["empty", "text", "zip"])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(ListError, match="no sound archive"):
        trees.TarTree(tmp_path / "a")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_that_would_fill_the_memory_is_not_read(tmp_path: Path, kind: bytes) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, trees.MAX_READ_BYTES + 512
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(header.tobuf() + bytes(header.size + 1024)))
    with pytest.raises(ListError, match="no sound archive: a header of"):
        trees.TarTree(path)


def _headers(name: str, kind: bytes, content: bytes) -> bytes:
    """A special member of a tar file, with what belongs to it."""
    header = tarfile.TarInfo(name)
    header.type, header.size = kind, len(content)
    return header.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)


def _setting(key: str, value: str) -> bytes:
    """A record of an extended header, which begins with its own length."""
    rest = f" {key}={value}\n".encode()
    length = len(rest) + len(str(len(rest)))
    return f"{length + (len(str(length)) > len(str(len(rest))))}".encode() + rest


_LARGE = trees.MAX_READ_BYTES - 1024
_EMPTY = _headers("x", tarfile.REGTYPE, b"")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_headers("x", tarfile.XHDTYPE, _setting("comment", "x")) * 3000, id="settings of settings"),
        pytest.param(_headers("x", tarfile.GNUTYPE_LONGNAME, b"abc\0") * 3000, id="names of names"),
        pytest.param(
            (_headers("x", tarfile.XHDTYPE, _setting("comment", "x" * _LARGE)) + _EMPTY) * 40, id="large settings"
        ),
        pytest.param((_headers("x", tarfile.GNUTYPE_LONGNAME, b"n" * _LARGE + b"\0") + _EMPTY) * 3, id="long names"),
        pytest.param(
            _headers("x", tarfile.XGLTYPE, b"".join(_setting(f"k{n}", "v") for n in range(200))) + _EMPTY,
            id="settings for all",
        ),
        pytest.param(_headers("x", tarfile.GNUTYPE_SPARSE, b""), id="a file with holes"),
    ],
)
def test_headers_fill_no_memory_and_end_no_run(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(data + bytes(1024)))
    with pytest.raises(ListError, match="no sound archive") as caught:
        trees.TarTree(path)
    assert caught.value.why == "archive"


def test_headers_as_git_and_long_paths_have_them_are_fine(tmp_path: Path) -> None:
    long = "/".join(["b", "x" * 90, "y" * 90, "domains"])
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "0123abcd"}) as archive:
        for name in ("b/games/domains", long):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = 6, 1.5  # a time that only an extended header can hold
            archive.addfile(member, io.BytesIO(b"a.com\n"))
    tree = trees.TarTree(path)
    assert text_of(tree, "b/games/domains", close=False) == text_of(tree, long) == "a.com\n"


def test_a_pipe_or_a_link_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ListError, match="not a regular file"):
        trees.open_regular(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(ListError, match="cannot be opened"):
        trees.open_regular(tmp_path / "link")


def test_a_file_of_absurd_size_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(trees.MAX_FILE_BYTES + 1)
    with pytest.raises(ListError, match="larger than 512 MiB"):
        trees.open_regular(tmp_path / "big")


@pytest.mark.parametrize("inside", [True, False], ids=["as a member", "after the last member"])
def test_an_archive_that_unpacks_to_far_more_than_lists_do_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    monkeypatch.setattr(trees, "MIN_TREE_BYTES", 1 << 20)
    header = tarfile.TarInfo("b/games/domains")
    header.size = 3 << 20 if inside else 0
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(header.tobuf() + bytes((3 << 20) + 1024)))
    with pytest.raises(ListError, match="unpacks to more than a list archive would") as caught:
        trees.TarTree(path)
    assert caught.value.why == "too-large"
