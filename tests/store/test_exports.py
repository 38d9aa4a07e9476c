"""Making bundles: what is in one, what others may see of it, and that half of one never passes for whole."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from filterd.core.bundle import DAY_S, Index
from filterd.errors import TableError
from filterd.store import bundles, exports, keys, tables
from filterd.store.bundles import INDEX, LICENCES, SIGNATURE
from tests.store.district import NOW, SOURCES, District


@pytest.fixture
def district(tmp_path: Path) -> District:
    made = District(tmp_path)
    made.compile("a.com")
    return made


def folders(district: District) -> list[str]:
    return sorted(path.name for path in district.folder.iterdir() if path.is_dir())


def test_a_bundle_holds_the_table_in_force_and_says_what_it_is(district: District) -> None:
    index = district.export()
    assert district.index() == index
    generation = tables.current(district.state)
    assert (index.generation, index.folder, index.names) == (generation, generation, 2)
    assert (index.name, index.signer, index.version) == ("Hoa Sen", district.key.id, NOW)
    assert (index.created_at, index.expires_at) == (NOW, NOW + 30 * DAY_S)
    assert sorted(index.files) == ["LICENCES.txt", "meta.json", "sets.bin", "trie.marisa"]
    for name, file in index.files.items():
        data = district.file(name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size, file.sha256)


def test_sources_come_with_licence_entries_and_status_and_without_secrets(district: District) -> None:
    status = {"list-0": "held"}
    index = exports.export(
        district.state, district.folder, district.private, "x", SOURCES, status, NOW
    )  # fmt: skip
    assert [(s.id, s.licence, s.category, s.entries, s.list_time, s.status) for s in index.sources] == [
        ("list-0", "MIT", "games", 1, 1000, "held"),
        ("list-1", "CC0-1.0", "ads", 1, 1001, ""),
    ]
    assert [s.url for s in index.sources] == ["https://lists.example/x.txt", "file:ads.txt"]
    everything = b"".join(path.read_bytes() for path in district.folder.rglob("*") if path.is_file())
    assert b"secret" not in everything
    assert b"key=1" not in everything
    assert b"private" not in everything.lower()


def test_a_list_that_is_no_longer_configured_is_listed_without_its_licence(district: District) -> None:
    index = exports.export(district.state, district.folder, district.private, "x", (), {}, NOW)
    assert [(s.id, s.licence) for s in index.sources] == [("list-0", ""), ("list-1", "")]
    assert "licence   not known" in district.file(LICENCES).read_text()


def test_licences_go_with_the_table(district: District) -> None:
    district.export()
    text = district.file(LICENCES).read_text()
    assert "list-0: Games of Somebody\n  licence   MIT\n  from      https://lists.example/x.txt\n" in text
    assert "homepage  https://ads.example" in text


def test_a_web_server_may_read_all_of_it_and_nobody_else_may_write(district: District) -> None:
    district.export()
    for path in (district.folder / district.index().folder, *district.folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o755 if path.is_dir() else 0o644), path


def test_the_private_key_is_nowhere_in_it(district: District) -> None:
    district.export()
    secret = (district.safe / "district.key").read_bytes().splitlines()[1]
    assert not [path for path in district.folder.rglob("*") if path.is_file() and secret in path.read_bytes()]


# -- versions ---------------------------------------------------------------------------------------------------------


def test_versions_only_grow_even_when_the_clock_stands(district: District) -> None:
    assert [district.export(now).version for now in (NOW, NOW, NOW - 5, NOW + 9)] == [NOW, NOW + 1, NOW + 2, NOW + 9]


def test_a_district_whose_folder_is_lost_goes_on_counting(district: District) -> None:
    first = district.export()
    shutil.rmtree(district.folder)
    assert district.export(NOW + 60).version > first.version


def test_a_version_that_this_key_did_not_sign_counts_for_nothing(district: District) -> None:
    district.export()
    body = json.loads((district.folder / INDEX).read_bytes()) | {"version": 1 << 52}
    (district.folder / INDEX).write_text(json.dumps(body))
    assert district.export(NOW + 60).version == NOW + 60


@pytest.mark.parametrize("name", [INDEX, SIGNATURE])
@pytest.mark.parametrize("data", [b"", b"\0" * 50, b"[" * 99_999], ids=len)
def test_what_a_power_cut_left_is_replaced(district: District, name: str, data: bytes) -> None:
    district.export()
    (district.folder / name).write_bytes(data)
    district.export(NOW + 60)
    assert district.look(NOW + 60).index.version == NOW + 60


# -- readers in between -----------------------------------------------------------------------------------------------


def test_readers_of_the_bundle_before_still_find_its_files(district: District) -> None:
    offer_of_first = (district.export(), district.look())[1]
    district.compile("b.com")
    district.export(NOW + 1)
    district.take(offer_of_first)
    assert len(folders(district)) == 2


def test_older_files_go(district: District) -> None:
    for n in range(4):
        district.compile(f"n{n}.com")
        district.export(NOW + n)
    assert len(folders(district)) == 2
    assert district.index().folder in folders(district)


def test_the_same_table_again_leaves_its_files_alone(district: District) -> None:
    district.export()
    before = district.file("trie.marisa").stat()
    district.export(NOW + 60)
    after = district.file("trie.marisa").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert len(folders(district)) == 1


def test_files_that_are_not_the_tables_are_not_used_and_not_overwritten(district: District) -> None:
    first = district.export()
    district.file("trie.marisa").write_bytes(b"altered")
    second = district.export(NOW + 60)
    assert second.folder == f"{first.folder}-{NOW + 60}"
    district.bring(NOW + 60)


def test_a_link_in_place_of_the_folder_is_not_written_through(district: District, tmp_path: Path) -> None:
    district.export()
    folder = district.folder / district.index().folder
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert district.export(NOW + 60).folder != folder.name
    district.bring(NOW + 60)


def test_what_others_put_into_the_folder_stays(district: District) -> None:
    district.folder.mkdir()
    (district.folder / "readme.html").write_text("ours")
    (district.folder / "pictures").mkdir()
    district.export()
    assert (district.folder / "readme.html").exists()
    assert "pictures" in folders(district)


# -- failures ---------------------------------------------------------------------------------------------------------


def test_without_a_table_there_is_no_bundle(tmp_path: Path) -> None:
    district = District(tmp_path)
    with pytest.raises(TableError, match="there is no table to export"):
        district.export()
    assert not district.folder.exists()


def test_a_damaged_table_is_not_signed(district: District) -> None:
    generation = tables.current(district.state)
    path = district.state / "tables" / str(generation) / "trie.marisa"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(TableError, match="trie"):
        district.export()
    assert not (district.folder / INDEX).exists()


def test_a_link_in_place_of_a_tables_file_is_not_followed(district: District, tmp_path: Path) -> None:
    """The folder is the service's; what root signs and gives away must not be any file of the box."""
    path = district.state / "tables" / str(tables.current(district.state)) / "sets.bin"
    path.rename(tmp_path / "secret")
    path.symlink_to(tmp_path / "secret")
    with pytest.raises((OSError, TableError)):
        district.export()
    assert not (district.folder / INDEX).exists()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_anybody_can_check_a_bundle_with_openssl(district: District, tmp_path: Path) -> None:
    district.export()
    (tmp_path / "raw.sig").write_bytes(base64.b64decode((district.folder / SIGNATURE).read_bytes()))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", district.safe / "district.pub", "-rawin"]
    command += ["-in", district.folder / INDEX, "-sigfile", tmp_path / "raw.sig"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Verified Successfully" in done.stdout + done.stderr


def test_an_index_of_hundreds_of_sources_stays_small(district: District) -> None:
    index = district.export()
    row = index.sources[0]
    many = Index(**{**{name: getattr(index, name) for name in index.__slots__}, "sources": (row,) * 500})
    assert len(many.to_bytes()) < bundles.bundle.MAX_INDEX_BYTES / 8


def test_who_signs_is_who_the_key_says(district: District) -> None:
    other = keys.create(district.safe, "other")
    index = exports.export(
        district.state, district.folder, keys.load_private(district.safe / "other.key"), "x", (), {}, NOW
    )  # fmt: skip
    assert index.signer == other.id


def test_a_table_that_names_files_elsewhere_is_not_copied_there(district: District) -> None:
    """Root exports; the tables are those of a user who may not become root."""
    generation = tables.current(district.state)
    assert generation is not None
    old = district.state / "tables" / generation
    outside = b"* * * * * root id\n"
    (old.parent / "planted").write_bytes(outside)
    meta = json.loads((old / "meta.json").read_bytes())
    meta["files"]["../planted"] = {"size": len(outside), "sha256": hashlib.sha256(outside).hexdigest()}
    data = json.dumps(meta).encode()
    (old / "meta.json").write_bytes(data)
    changed = f"000009-{hashlib.sha256(data).hexdigest()[:16]}"
    old.rename(old.with_name(changed))
    (district.state / "CURRENT").write_text(f"{changed}\n")
    with pytest.raises(TableError, match="names other files than a table has"):
        district.export()
    assert not (district.folder / "planted").exists()


def test_only_what_was_written_is_opened_to_all(district: District, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write to the folder of a web server can put a link in the way of root."""
    secret = district.folder.parent / "etc"
    secret.mkdir(mode=0o700)
    (secret / "shadow").touch(0o600)
    copy = bundles.copy

    def swapped(source: Path, target: Path, limit: int) -> object:
        found = copy(source, target, limit)
        if source.name == "trie.marisa":
            for file in target.parent.iterdir():
                file.rename(secret / file.name)
            target.parent.rename(district.folder / "away")
            target.parent.symlink_to(secret)
        return found

    monkeypatch.setattr(bundles, "copy", swapped)
    with pytest.raises(OSError, match=r"."):
        district.export()
    assert stat.S_IMODE((secret / "shadow").stat().st_mode) == 0o600
    assert stat.S_IMODE(secret.stat().st_mode) == 0o700
