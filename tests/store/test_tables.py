"""Generations on disk: publishing, damage, full disks, and kills at every step."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from filterd.core import names
from filterd.errors import TableError
from filterd.store import tables
from tests.core.compiled import compiled


def publish(state: Path, *blocked: str) -> str:
    text = "\n".join(blocked)
    return tables.publish(
        state, compiled(("domains", "games", text), ("hosts", "ads", "0.0.0.0 ad.com")), 1_700_000_000
    )


def lists(state: Path, generation: str, name: str) -> bool:
    table = tables.open_table(tables.verify(state, generation))
    return table.mask(names.key_of_text(name)) != 0


def test_what_was_published_is_in_force_and_reads_as_it_was_compiled(tmp_path: Path) -> None:
    generation = publish(tmp_path, "a.com", "b.com")
    assert tables.current(tmp_path) == generation
    table = tables.open_table(tables.verify(tmp_path, generation))
    assert (table.generation, table.built_at, table.names) == (generation, 1_700_000_000, 3)
    assert table.categories == ("ads", "games")
    assert [(s.id, s.category, s.entries, s.list_time) for s in table.sources] == [
        ("list-0", "games", 2, 1000),
        ("list-1", "ads", 1, 1001),
    ]
    assert table.mask(b"com.a.www.") == 0b10
    assert table.mask(b"com.ad.") == 0b01
    assert table.mask(b"com.ad.www.") == 0


def test_a_new_generation_replaces_the_old_and_three_are_kept(tmp_path: Path) -> None:
    made = [publish(tmp_path, f"n{n}.com") for n in range(5)]
    assert tables.current(tmp_path) == made[-1]
    assert tables.generations(tmp_path) == made[:1:-1]
    assert lists(tmp_path, made[-2], "n3.com")


def test_the_same_lists_can_be_published_again(tmp_path: Path) -> None:
    first, second = publish(tmp_path, "a.com"), publish(tmp_path, "a.com")
    assert first != second
    assert tables.current(tmp_path) == second


def test_a_table_still_mapped_outlives_its_files(tmp_path: Path) -> None:
    table = tables.open_table(tables.verify(tmp_path, publish(tmp_path, "a.com")))
    for n in range(4):
        publish(tmp_path, f"n{n}.com")
    assert len(tables.generations(tmp_path)) == tables.KEEP
    assert table.mask(b"com.a.") != 0


def test_an_empty_state_directory_has_no_table(tmp_path: Path) -> None:
    assert tables.current(tmp_path) is None
    assert tables.generations(tmp_path) == []
    with pytest.raises(TableError, match="cannot be read: No such file"):
        tables.verify(tmp_path, "000001-0123456789abcdef")


@pytest.mark.parametrize("content", [None, b"", b"\0\0\0", b"../../etc\n", b"\xff" * 100])
def test_without_a_readable_current_the_newest_generation_is_in_force(tmp_path: Path, content: bytes | None) -> None:
    publish(tmp_path, "a.com")
    newest = publish(tmp_path, "b.com")
    (tmp_path / "CURRENT").unlink()
    if content is not None:
        (tmp_path / "CURRENT").write_bytes(content)
    assert tables.current(tmp_path) == newest


@pytest.mark.parametrize("name", ["../../etc", "", "000001", "000001-0123456789abcdef/x"])
def test_a_generation_cannot_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(TableError, match="is no table generation"):
        tables.verify(tmp_path, name)


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 0x10,)) + data[at + 1 :]


DAMAGE = [
    pytest.param(lambda data: data[: len(data) // 2], id="truncated"),
    pytest.param(lambda data: b"", id="emptied"),
    pytest.param(lambda data: data + b"\0", id="grown"),
    pytest.param(lambda data: None, id="gone"),
    *[
        pytest.param(lambda data, n=n: _flip(data, n * (len(data) - 1) // 7), id=f"bit flipped, {n}/7")
        for n in range(8)
    ],
]


@pytest.mark.parametrize("name", ["trie.marisa", "sets.bin", "meta.json"])
@pytest.mark.parametrize("harm", DAMAGE)
def test_any_damage_is_found_before_anything_is_mapped(tmp_path: Path, name: str, harm) -> None:  # type: ignore[no-untyped-def]
    generation = publish(tmp_path, *(f"n{n}.com" for n in range(100)))
    path = tmp_path / "tables" / generation / name
    damaged = harm(path.read_bytes())
    path.chmod(0o640)
    if damaged is None:
        path.unlink()
    else:
        path.write_bytes(damaged)
    with pytest.raises(TableError, match=name):
        tables.verify(tmp_path, generation)


def test_a_table_cut_short_after_it_was_verified_is_not_mapped(tmp_path: Path) -> None:
    directory = tables.verify(tmp_path, publish(tmp_path, "a.com"))
    (directory / "sets.bin").write_bytes(b"")
    with pytest.raises(TableError, match=r"sets\.bin has 0 bytes"):
        tables.open_table(directory)


def test_a_damaged_report_costs_nothing(tmp_path: Path) -> None:
    generation = publish(tmp_path, "a.com")
    assert tables.report_of(tmp_path, generation)["list-0"]["entries"] == 1
    (tmp_path / "tables" / generation / "report.json").write_bytes(b"{")
    assert tables.report_of(tmp_path, generation) == {}
    assert lists(tmp_path, generation, "a.com")


def test_more_than_65536_sets_take_four_bytes_each(tmp_path: Path) -> None:
    built = compiled(("domains", "games", "a.com"))
    built.sets += [(n * 8,) for n in range(70_000)]
    built.sets[69_999] = built.sets[1]
    built.ids[0] = 69_999
    generation = tables.publish(tmp_path, built, 0)
    assert (tmp_path / "tables" / generation / "sets.bin").stat().st_size == 4


CHILD = """
import os, pathlib, signal, sys
from filterd.store import tables
from tests.core.compiled import compiled

left = int(sys.argv[2])

def counted(call):
    def before(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)
    return before

built = compiled(("domains", "games", "new.com"))
for name in ("fsync", "rename", "replace", "mkdir", "unlink", "rmdir", "fchmod", "open"):
    setattr(os, name, counted(getattr(os, name)))
tables.publish(pathlib.Path(sys.argv[1]), built, 0)
"""


def test_killed_at_any_step_the_old_or_the_new_table_is_in_force(tmp_path: Path) -> None:
    for n in range(3):
        old = publish(tmp_path, f"old{n}.com")
    outcomes = []
    for step in range(1, 200, 2):
        killed = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path), str(step)], check=False).returncode
        now = tables.current(tmp_path)
        assert now is not None
        assert lists(tmp_path, now, "old2.com" if now == old else "new.com")
        outcomes.append(now == old)
        if killed == 0:
            break
        assert killed == -signal.SIGKILL
    assert outcomes[0]
    assert not outcomes[-1]
    assert len(outcomes) > 5
    publish(tmp_path, "later.com")
    left = sorted(entry for entry in os.listdir(tmp_path / "tables") if not entry[0].isdigit())
    assert left == [".lock"]
    assert len(tables.generations(tmp_path)) == tables.KEEP


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with 1 MiB, where this user may mount one."""
    target = tmp_path / "disk"
    target.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(target)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this user cannot mount a small tmpfs")
    yield target
    subprocess.run(["umount", "--lazy", str(target)], check=True)


@pytest.mark.parametrize(
    "left",
    [pytest.param(0, id="no byte"), pytest.param(8 << 10, id="8 KiB"), pytest.param(700 << 10, id="less than twice")],
)
def test_a_full_disk_leaves_the_old_table_and_no_trace(small_disk: Path, left: int) -> None:
    old = publish(small_disk, "old.com")
    files = sorted(path for path in small_disk.rglob("*"))
    free = os.statvfs(small_disk)
    (small_disk / "ballast").write_bytes(b"x" * max(0, free.f_bavail * free.f_frsize - left))
    with pytest.raises(TableError, match=f"could not be written: .*Still in force: {old}"):
        publish(small_disk, *(f"name{n}-{n * 7919 % 10007}.com" for n in range(60_000)))
    assert tables.current(small_disk) == old
    assert sorted(path for path in small_disk.rglob("*")) == sorted([*files, small_disk / "ballast"])
    (small_disk / "ballast").unlink()
    assert lists(small_disk, publish(small_disk, "new.com"), "new.com")


NO_SPACE_CHECK = """
import pathlib, resource, signal, sys
from filterd.errors import TableError
from filterd.store import tables
from tests.core.compiled import compiled

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
built = compiled(("domains", "games", "".join(f"name{n}.com\\n" for n in range(30_000))))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    tables.publish(pathlib.Path(sys.argv[1]), built, 0)
except TableError as error:
    print(error)
    sys.exit(7)
"""


@pytest.mark.parametrize("limit", [10, 1000, 30_000, 59_000])
def test_a_write_that_breaks_off_leaves_the_old_table_and_no_trace(tmp_path: Path, limit: int) -> None:
    old = publish(tmp_path, "old.com")
    files = sorted(path for path in tmp_path.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-c", NO_SPACE_CHECK, str(tmp_path), str(limit)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 7, done.stderr
    assert "File too large" in done.stdout
    assert f"Still in force: {old}" in done.stdout
    assert sorted(path for path in tmp_path.rglob("*")) == files
    assert lists(tmp_path, old, "old.com")


# -- address lists ----------------------------------------------------------------------------------------------------


def publish_addresses(state: Path, *more: tuple[str, str, str]) -> str:
    lists = [("cidr", "games", "192.0.2.0/24\n2001:db8::/32\n2001:db9::7"), ("cidr", "ads", "192.0.2.7"), *more]
    return tables.publish(state, compiled(*lists), 1_700_000_000)


def listing(state: Path, generation: str, text: str) -> set[str]:
    table = tables.open_table(tables.verify(state, generation))
    return {match.source for match in table.address_matches(ip_address(text).packed)}


@pytest.mark.parametrize("names", [[], ["a.com"]], ids=["alone", "beside names"])
def test_address_lists_read_as_they_were_compiled(tmp_path: Path, names: list[str]) -> None:
    generation = publish_addresses(tmp_path, *(("domains", "games", name) for name in names))
    for address, lists in [
        ("192.0.2.7", {"list-0", "list-1"}),
        ("192.0.2.8", {"list-0"}),
        ("192.0.3.0", set()),
        ("2001:db8::1", {"list-0"}),
        ("2001:db9::7", {"list-0"}),
        ("2001:db9::8", set()),
    ]:
        assert listing(tmp_path, generation, address) == lists
    table = tables.open_table(tables.verify(tmp_path, generation))
    assert table.has_addresses
    assert table.mask(b"com.a.") == (0b10 if names else 0)


def test_ids_of_more_than_65536_sets_are_wide(tmp_path: Path) -> None:
    found = compiled(("cidr", "games", "192.0.2.0/24\n2001:db8::/32"), ("domains", "games", "a.com"))
    found.sets += [(0,)] * (1 << 16)
    generation = tables.publish(tmp_path, found, 0)
    assert listing(tmp_path, generation, "192.0.2.1") == listing(tmp_path, generation, "2001:db8::1") == {"list-0"}


@pytest.mark.parametrize("harm", DAMAGE)
def test_damage_to_the_address_lists_is_found(tmp_path: Path, harm) -> None:  # type: ignore[no-untyped-def]
    generation = publish_addresses(tmp_path)
    path = tmp_path / "tables" / generation / "networks.bin"
    damaged = harm(path.read_bytes())
    path.chmod(0o640)
    if damaged is None:
        path.unlink()
    else:
        path.write_bytes(damaged)
    with pytest.raises(TableError, match=r"networks\.bin"):
        tables.verify(tmp_path, generation)


def test_a_generation_without_address_lists_is_as_it_always_was(tmp_path: Path) -> None:
    generation = publish(tmp_path, "a.com")
    directory = tmp_path / "tables" / generation
    assert {path.name for path in directory.iterdir()} == {"trie.marisa", "sets.bin", "meta.json", "report.json"}
    assert set(json.loads((directory / "meta.json").read_bytes())) == {
        "format", "byteorder", "built_at", "names", "keys", "width", "files", "sources", "sets",
    }  # fmt: skip
    assert not tables.open_table(tables.verify(tmp_path, generation)).has_addresses


# -- how many stay, going back ----------------------------------------------------------------------------------------


def publish_keeping(state: Path, name: str, keep: int) -> str:
    return tables.publish(state, compiled(("domains", "games", name)), 0, keep)


@pytest.mark.parametrize(("keep", "left"), [(1, 1), (2, 2), (6, 6), (0, 1)])
def test_as_many_generations_stay_as_are_wanted(tmp_path: Path, keep: int, left: int) -> None:
    made = [publish_keeping(tmp_path, f"n{n}.com", keep) for n in range(6)]
    assert tables.generations(tmp_path) == made[::-1][:left]


def test_what_a_table_is_made_of_is_vouched_for(tmp_path: Path) -> None:
    generation = tables.publish(tmp_path, compiled(("domains", "games", "a.com")), 0, fingerprint="abc")
    assert tables.fingerprint_of(tmp_path, generation) == "abc"
    assert tables.fingerprint_of(tmp_path, publish(tmp_path, "b.com")) == ""


def test_going_back_puts_the_generation_before_in_force_and_pins_it(tmp_path: Path) -> None:
    one, two, three = [publish(tmp_path, f"n{n}.com") for n in range(3)]
    assert tables.rollback(tmp_path, now=1_700_000_007) == two
    assert tables.current(tmp_path) == two
    assert tables.pinned(tmp_path) == tables.Pin(two, 1_700_000_007)
    assert tables.rollback(tmp_path) == one
    assert tables.rollback(tmp_path, three) == three
    assert tables.current(tmp_path) == three


def test_nothing_is_published_until_a_person_releases_the_table(tmp_path: Path) -> None:
    one, _ = publish(tmp_path, "a.com"), publish(tmp_path, "b.com")
    tables.rollback(tmp_path)
    files = sorted(tmp_path.rglob("*"))
    with pytest.raises(TableError, match=f"a rollback pinned {one}; 'filterd lists accept --table' ends that"):
        publish(tmp_path, "c.com")
    assert sorted(tmp_path.rglob("*")) == files
    tables.release(tmp_path)
    assert tables.pinned(tmp_path) is None
    assert tables.current(tmp_path) == one
    new = publish(tmp_path, "c.com")
    assert tables.current(tmp_path) == new
    assert new == tables.generations(tmp_path)[0]
    tables.release(tmp_path)


def test_what_is_in_force_is_never_pruned(tmp_path: Path) -> None:
    made = [publish(tmp_path, f"n{n}.com") for n in range(3)]
    tables.rollback(tmp_path, made[0])
    (tmp_path / "tables/.pinned").unlink()  # released by hand
    tables._prune(tmp_path, tmp_path / "tables", 1)
    assert tables.generations(tmp_path) == [made[2], made[0]]


def test_a_damaged_table_does_not_count_among_those_that_stay(tmp_path: Path) -> None:
    good = publish_keeping(tmp_path, "good.com", 2)
    for number in range(4):
        made = publish_keeping(tmp_path, f"n{number}.com", 2)
        assert good in tables.generations(tmp_path)
        (tmp_path / "tables" / made / "trie.marisa").write_bytes(b"")
        assert tables.sound(tmp_path) == good
    assert len(tables.generations(tmp_path)) == 4
    sound = [publish_keeping(tmp_path, name, 2) for name in ("new.com", "newer.com")]
    assert tables.generations(tmp_path) == sound[::-1]


def test_going_back_passes_over_what_is_damaged(tmp_path: Path) -> None:
    one, two, _ = [publish(tmp_path, f"n{n}.com") for n in range(3)]
    (tmp_path / "tables" / two / "sets.bin").write_bytes(b"")
    assert tables.rollback(tmp_path) == one


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        pytest.param(None, "no sound generation before", id="nothing before"),
        pytest.param("000009-0123456789abcdef", "cannot be read", id="not on disk"),
        pytest.param("../../etc", "is no table generation", id="no generation"),
    ],
)
def test_there_must_be_something_to_go_back_to(tmp_path: Path, wanted: str | None, reason: str) -> None:
    only = publish(tmp_path, "a.com")
    with pytest.raises(TableError, match=reason):
        tables.rollback(tmp_path, wanted)
    assert (tables.current(tmp_path), tables.pinned(tmp_path)) == (only, None)


def test_nobody_goes_back_to_a_damaged_table(tmp_path: Path) -> None:
    one, two = publish(tmp_path, "a.com"), publish(tmp_path, "b.com")
    (tmp_path / "tables" / one / "trie.marisa").write_bytes(b"x")
    with pytest.raises(TableError, match="trie"):
        tables.rollback(tmp_path, one)
    assert (tables.current(tmp_path), tables.pinned(tmp_path)) == (two, None)


def test_without_a_readable_current_the_pinned_generation_is_in_force(tmp_path: Path) -> None:
    one, two = publish(tmp_path, "a.com"), publish(tmp_path, "b.com")
    tables.rollback(tmp_path, one)
    (tmp_path / "CURRENT").unlink()
    assert tables.current(tmp_path) == one
    (tmp_path / "tables/.pinned").write_bytes(b"{}")
    assert tables.current(tmp_path) == two


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"generation": 7, "since": 1}', b'{"generation": "000001-0123456789abcdef"}', b"[" * 4000]
)
def test_a_damaged_pin_is_none(tmp_path: Path, content: bytes) -> None:
    publish(tmp_path, "a.com")
    (tmp_path / "tables/.pinned").write_bytes(content)
    assert tables.pinned(tmp_path) is None
    publish(tmp_path, "b.com")


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    publish(tmp_path, "a.com")
    (tmp_path / "tables/.new-abc").mkdir()
    for name in ("tables/.new-abc/trie.marisa", "tables/..pinned.x.tmp", ".CURRENT.y.tmp"):
        (tmp_path / name).write_bytes(b"half")
    publish(tmp_path, "b.com")
    assert sorted(path.name for path in tmp_path.rglob(".*")) == [".lock"]
