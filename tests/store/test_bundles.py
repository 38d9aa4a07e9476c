"""Taking bundles: a good one is in force, and whatever anybody does to one leaves what was in force."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from filterd.core import names
from filterd.core.table import Table
from filterd.core.updates import Why
from filterd.errors import TableError, TrustError
from filterd.store import bundles, keys, tables
from filterd.store.bundles import INDEX, RECORD, SIGNATURE
from tests.core.compiled import compiled
from tests.store.district import NOW, District

DAY = 86400


@pytest.fixture
def district(tmp_path: Path) -> District:
    """A district whose first bundle, with old.com, the school took; its second, with new.com, waits."""
    made = District(tmp_path)
    made.compile("old.com")
    made.export(NOW - DAY)
    made.bring(NOW - DAY)
    made.compile("new.com")
    made.export(NOW)
    return made


def blocks(state: Path, name: str) -> bool:
    generation = tables.current(state)
    assert generation is not None
    return tables.open_table(tables.verify(state, generation)).mask(names.key_of_text(name)) != 0


def test_a_bundle_is_in_force_once_it_is_taken(district: District) -> None:
    generation = district.bring()
    assert tables.current(district.school) == generation
    assert blocks(district.school, "new.com")
    assert not blocks(district.school, "old.com")
    assert generation.partition("-")[2] == district.index().table


def test_what_was_taken_is_recorded(district: District) -> None:
    district.bring()
    record = bundles.recorded(district.school)
    assert (record.signer, record.last.version if record.last else None) == (district.key.id, NOW)


def test_a_bundle_that_is_in_force_is_not_taken_twice(district: District) -> None:
    generation = district.bring()
    offer = district.look()
    assert offer.in_force
    shutil.rmtree(district.folder / offer.index.folder)  # nobody looks at the files
    assert district.take(offer) == generation
    assert tables.generations(district.school)[0] == generation


def test_an_unchanged_night_renews_the_bundle_and_moves_no_table(district: District) -> None:
    generation = district.bring()
    district.export(NOW + DAY)
    offer = district.look(NOW + DAY)
    assert offer.in_force
    assert district.take(offer) == generation
    assert bundles.recorded(district.school).last == offer.accepted


def test_what_a_local_build_replaced_can_be_taken_again(district: District) -> None:
    district.bring()
    tables.publish(district.school, compiled(("domains", "games", "local.com")), NOW)
    assert not blocks(district.school, "new.com")
    district.bring()
    assert blocks(district.school, "new.com")


def test_a_table_in_force_that_is_damaged_is_repaired_by_the_same_bundle(district: District) -> None:
    generation = district.bring()
    (district.school / "tables" / generation / "trie.marisa").write_bytes(b"damaged")
    assert not district.look().in_force
    assert district.bring() != generation
    assert blocks(district.school, "new.com")


def test_the_first_bundle_needs_nothing_before_it(tmp_path: Path) -> None:
    district = District(tmp_path)
    district.compile("a.com")
    district.export()
    shutil.rmtree(district.school)
    district.school.mkdir()
    district.bring()
    assert blocks(district.school, "a.com")


def test_as_many_generations_are_kept_as_the_school_says(district: District) -> None:
    district.bring(keep=2)
    district.compile("third.com")
    district.export(NOW + 1)
    district.bring(NOW + 1, keep=2)
    assert len(tables.generations(district.school)) == 2


# -- who signed it ----------------------------------------------------------------------------------------------------


def flip(path: Path, at: int = -10) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def sign_with_another(district: District) -> None:
    keys.create(district.safe, "stranger")
    district.private = keys.load_private(district.safe / "stranger.key")
    district.sign((district.folder / INDEX).read_bytes())


def old_signature(district: District) -> None:
    data = (district.folder / INDEX).read_bytes()
    district.export(NOW + 1)
    (district.folder / INDEX).write_bytes(data)


def one_byte_more(district: District) -> None:
    with (district.folder / INDEX).open("ab") as file:
        file.write(b"\n")


def name_another(district: District) -> None:
    district.resign(lambda body: body.update(signer="0" * 16))


def signature(text: bytes):  # type: ignore[no-untyped-def]
    return lambda district: (district.folder / SIGNATURE).write_bytes(text)


UNSIGNED = [
    pytest.param(lambda d: flip(d.folder / INDEX), Why.SIGNATURE, "is not signed by a key trusted here", id="tampered"),
    pytest.param(one_byte_more, Why.SIGNATURE, "is not signed by a key", id="one byte more"),
    pytest.param(sign_with_another, Why.SIGNATURE, "is not signed by a key", id="unknown key"),
    pytest.param(old_signature, Why.SIGNATURE, "is not signed by a key", id="another signature of the same key"),
    pytest.param(name_another, Why.SIGNATURE, "names 0000000000000000 as its signer", id="names another signer"),
    pytest.param(lambda d: (d.folder / SIGNATURE).unlink(), Why.MISSING, "only half of one", id="no signature"),
    pytest.param(lambda d: (d.folder / INDEX).unlink(), Why.MISSING, "index.json does not exist", id="no index"),
    pytest.param(signature(b""), Why.SIGNATURE, "is not signed by a key", id="an empty signature"),
    pytest.param(signature(b"\0" * 64), Why.SIGNATURE, "it is not base64", id="a raw signature"),
    pytest.param(signature("chữ ký".encode()), Why.SIGNATURE, "it is not base64", id="words for a signature"),
    pytest.param(signature(b"A" * 2000), Why.TOO_LARGE, "no regular file of at most 1 KiB", id="a huge signature"),
    pytest.param(
        lambda d: (d.folder / INDEX).write_bytes(b" " * (5 << 20)), Why.TOO_LARGE, "at most 4096 KiB", id="a huge index"
    ),
    pytest.param(
        lambda d: os.truncate(d.folder / INDEX, 100), Why.SIGNATURE, "is not signed by a key", id="a truncated index"
    ),
    pytest.param(
        lambda d: ((d.folder / INDEX).unlink(), os.mkfifo(d.folder / INDEX)), Why.TOO_LARGE, "no regular file",
        id="a pipe for an index",
    ),
    pytest.param(
        lambda d: (
            (d.folder / INDEX).rename(d.root / "x"), (d.folder / INDEX).symlink_to(d.root / "x")
        ), Why.MISSING, "cannot be read", id="a link for an index",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("harm", "why", "said"), UNSIGNED)
def test_what_no_trusted_key_vouches_for_is_refused(district: District, harm, why: Why, said: str) -> None:  # type: ignore[no-untyped-def]
    before = tables.current(district.school)
    harm(district)
    with pytest.raises(TrustError) as caught:
        district.look()
    assert said in str(caught.value)
    assert caught.value.why == why
    assert tables.current(district.school) == before


def test_nothing_is_parsed_before_it_is_vouched_for(district: District) -> None:
    (district.folder / INDEX).write_bytes(b"[" * 100_000)
    with pytest.raises(TrustError, match="is not signed by a key trusted here"):
        district.look()


def test_without_trusted_keys_nothing_is_taken_and_refused_files_are_named(district: District) -> None:
    (district.config / "keys/district.pub").chmod(0o666)
    with pytest.raises(TrustError, match=r"no key is trusted here.*district.pub has mode 0666") as caught:
        district.look()
    assert caught.value.why == Why.KEY


def test_trust_in_one_key_ends_without_touching_that_in_another(district: District) -> None:
    other = keys.create(district.safe, "second")
    keys.trust(district.config, other)
    (district.config / "keys/district.pub").unlink()
    with pytest.raises(TrustError, match=rf"not signed by a key trusted here \(second \({other.id}\)\)"):
        district.look()
    district.private = keys.load_private(district.safe / "second.key")
    district.export(NOW + 1)
    assert district.look(NOW + 1).key == other


# -- older, expired, for another machine ------------------------------------------------------------------------------


def test_a_bundle_put_back_is_refused(district: District, tmp_path: Path) -> None:
    shutil.copytree(district.folder, tmp_path / "yesterday")
    district.compile("third.com")
    district.export(NOW + DAY)
    district.bring(NOW + DAY)
    district.folder = tmp_path / "yesterday"
    with pytest.raises(TrustError, match="an older one is never taken") as caught:
        district.look(NOW + DAY)
    assert caught.value.why == Why.OLDER
    assert blocks(district.school, "third.com")


def test_an_expired_bundle_is_refused_and_only_warned_of_without_the_time(district: District) -> None:
    with pytest.raises(TrustError, match="the bundle expired on"):
        district.look(NOW + 31 * DAY)
    offer = district.look(0, trusted=False)
    assert "this box does not know the time" in offer.warning
    district.take(offer)
    assert blocks(district.school, "new.com")


OTHER_ENDIAN = "big" if sys.byteorder == "little" else "little"
UNFIT = [
    pytest.param({"byteorder": OTHER_ENDIAN}, Why.MACHINE, f"for {OTHER_ENDIAN}-endian machines", id="byte order"),
    pytest.param({"table_format": 99}, Why.MACHINE, "has format 99, this filterd reads", id="format of the table"),
    pytest.param({"generation": "000009-" + "0" * 16}, Why.DAMAGED, "not those of its table", id="another generation"),
    pytest.param({"files": {"trie.marisa": {"size": 1, "sha256": "0" * 64}}}, Why.DAMAGED, "not those", id="no meta"),
    pytest.param({"folder": "../x"}, Why.FORMAT, "'folder'", id="a path"),
]


@pytest.mark.parametrize(("change", "why", "said"), UNFIT)
def test_a_signed_bundle_that_cannot_be_used_says_why(district: District, change, why: Why, said: str) -> None:  # type: ignore[no-untyped-def]
    district.resign(lambda body: body.update(change))
    with pytest.raises(TrustError) as caught:
        district.look()
    assert said in str(caught.value)
    assert caught.value.why == why


# -- its files --------------------------------------------------------------------------------------------------------


def swap(district: District) -> None:
    """The files of another bundle of the same key."""
    shutil.copyfile(district.state / "tables" / tables.generations(district.state)[1] / "trie.marisa", trie(district))


def trie(district: District) -> Path:
    return district.file("trie.marisa")


def link_file(district: District) -> None:
    trie(district).rename(district.root / "trie")
    trie(district).symlink_to(district.root / "trie")


def link_folder(district: District) -> None:
    folder = trie(district).parent
    folder.rename(district.root / "elsewhere")
    folder.symlink_to(district.root / "elsewhere")


def lie_about(name: str):  # type: ignore[no-untyped-def]
    """The index is signed with the checksum of a file that is not the table's."""

    def change(district: District) -> None:
        path = district.file(name)
        flip(path)
        wrong = bundles.copy(path, district.root / "copied", 1 << 30)
        district.resign(lambda body: body["files"].update({name: {"size": wrong.size, "sha256": wrong.sha256}}))

    return change


def forget(district: District) -> None:
    district.resign(lambda body: body["files"].pop("sets.bin"))


SPOILT = [
    pytest.param(lambda d: flip(trie(d)), "does not have the SHA-256 that was signed", id="a flipped bit"),
    pytest.param(lambda d: os.truncate(trie(d), 100), "has 100 bytes,", id="truncated"),
    pytest.param(lambda d: os.truncate(trie(d), 0), "has 0 bytes,", id="emptied"),
    pytest.param(lambda d: os.truncate(trie(d), 1 << 30), "is not the file of", id="grown"),
    pytest.param(lambda d: trie(d).unlink(), "No such file", id="gone"),
    pytest.param(lambda d: d.file("LICENCES.txt").unlink(), "No such file", id="licences gone"),
    pytest.param(lambda d: flip(d.file("meta.json")), "does not have the SHA-256 that was signed", id="meta altered"),
    pytest.param(lambda d: shutil.rmtree(trie(d).parent), "No such file", id="all gone"),
    pytest.param(swap, "that was signed", id="swapped"),
    pytest.param(link_file, "symbolic links", id="a link for a file"),
    pytest.param(link_folder, "is a symbolic link", id="a link for the folder"),
    pytest.param(lambda d: (trie(d).unlink(), os.mkfifo(trie(d))), "is not the file of", id="a pipe"),
    pytest.param(lambda d: (trie(d).unlink(), trie(d).mkdir()), "is not the file of", id="a folder"),
    pytest.param(lie_about("trie.marisa"), "its files do not belong together", id="signed, of another table"),
    pytest.param(forget, "its files do not belong together", id="signed, and incomplete"),
]


@pytest.mark.parametrize(("harm", "said"), SPOILT)
def test_files_that_were_not_signed_are_refused(district: District, harm, said: str) -> None:  # type: ignore[no-untyped-def]
    before, record = tables.current(district.school), (district.school / RECORD).read_bytes()
    harm(district)
    offer = district.look()
    with pytest.raises(TrustError) as caught:
        district.take(offer)
    assert said in str(caught.value)
    assert caught.value.why == Why.DAMAGED
    assert tables.current(district.school) == before
    assert tables.generations(district.school) == [before]
    assert (district.school / RECORD).read_bytes() == record
    assert blocks(district.school, "old.com")


@pytest.mark.parametrize("name", ["trie.marisa", "sets.bin", "meta.json"])
def test_a_file_replaced_after_it_was_checked_changes_nothing(district: District, name: str) -> None:
    path, offer = district.file(name), district.look()

    def replace(_: Table) -> str:  # the probe comes after the check and before the use
        path.write_bytes(b"x" * path.stat().st_size)
        return ""

    district.take(offer, check=replace)
    assert blocks(district.school, "new.com")
    generation = tables.current(district.school)
    assert generation is not None
    tables.verify(district.school, generation)


def test_an_index_replaced_after_it_was_checked_changes_nothing(district: District) -> None:
    offer = district.look()
    (district.folder / INDEX).write_bytes(b"{}")
    district.take(offer)
    assert blocks(district.school, "new.com")


def test_a_table_that_the_school_cannot_live_with_is_not_taken(district: District) -> None:
    before = tables.current(district.school)
    asked: list[bool] = []

    def object_to(table: Table) -> str:
        asked.append(table.mask(names.key_of_text("new.com")) != 0)
        return "it would block classroom.google.com"

    with pytest.raises(TrustError, match="it would block classroom") as caught:
        district.bring(check=object_to)
    assert caught.value.why == Why.PROBE
    assert asked == [True]
    assert tables.current(district.school) == before
    assert district.bring()  # it may be taken once the school's policy is another


def test_a_rollback_of_the_school_stands_until_it_is_released(district: District) -> None:
    district.bring()
    district.compile("third.com")
    district.export(NOW + 1)
    tables.rollback(district.school, now=NOW)
    with pytest.raises(TableError, match="pinned"):
        district.bring(NOW + 1)
    assert blocks(district.school, "old.com")
    tables.release(district.school)
    district.bring(NOW + 1)
    assert blocks(district.school, "third.com")


def test_a_stick_that_fails_while_it_is_read_is_to_blame(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Input/output error") as caught:
        bundles.copy(Path("/proc/self/mem"), tmp_path / "copy", 100)  # says that it is a file, and cannot be read at 0
    assert caught.value.filename == "/proc/self/mem"


def test_without_space_nothing_is_copied(district: District, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage(district.root)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(TrustError, match="0 MiB free; 1 MiB are needed") as caught:
        district.bring()
    assert caught.value.why == Why.DISK
    assert blocks(district.school, "old.com")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b"\0" * 100, b"[" * 100_000, b" " * (2 << 20)], ids=len)
def test_with_a_damaged_record_nothing_can_be_called_newer(district: District, text: bytes) -> None:
    (district.school / RECORD).write_bytes(text)
    with pytest.raises(TrustError, match="Remove the file to start anew"):
        district.look()
    (district.school / RECORD).unlink()
    district.bring()
    assert blocks(district.school, "new.com")


def test_a_bundle_taken_before_a_power_cut_is_recorded_with_the_next_look(district: District) -> None:
    record = (district.school / RECORD).read_bytes()
    district.bring()
    (district.school / RECORD).write_bytes(record)  # the cut came between the table and the record
    offer = district.look()
    assert offer.in_force
    district.take(offer)
    assert json.loads((district.school / RECORD).read_bytes())["accepted"][district.key.id]["version"] == NOW


def test_the_signature_is_what_openssl_would_read(district: District) -> None:
    text = (district.folder / SIGNATURE).read_bytes()
    assert len(base64.b64decode(text.strip(), validate=True)) == 64
    assert keys.verify(district.key, (district.folder / INDEX).read_bytes(), base64.b64decode(text))
