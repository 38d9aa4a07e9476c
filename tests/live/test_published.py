"""What is in force: each input the last good one, polled as a running process does, by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from filterd.errors import ConfigError
from filterd.live.published import Published, compile_policy, open_published, open_readonly
from filterd.store import policies
from tests import configs
from tests.running import build_table, replace, write_school


@pytest.fixture
def school(tmp_path: Path) -> tuple[Path, Path]:
    return write_school(tmp_path)


def overrides(*items: dict[str, object], sequence: int = 1) -> bytes:
    return json.dumps({"items": items, "sequence": sequence}).encode()


class TestStart:
    def test_a_whole_school_has_no_faults(self, school: tuple[Path, Path]) -> None:
        published = open_published(*school)
        assert published.generation.startswith("000001-")
        assert published.policy.school_code == "thu-01"
        assert published.faults == {}

    def test_the_compiled_policy_is_kept_and_an_unchanged_one_not_compiled_again(
        self, school: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = open_published(*school)
        monkeypatch.setattr("filterd.live.published.compile_policy", lambda *_: pytest.fail("it was compiled again"))
        assert open_published(*school).policy == first.policy

    def test_broken_files_without_a_last_good_policy_are_an_error(self, school: tuple[Path, Path]) -> None:
        (school[0] / "policies/tiers.yaml").write_text("tiers: [")
        with pytest.raises(ConfigError, match=r"policies/tiers\.yaml"):
            open_published(*school)

    def test_broken_files_with_a_last_good_policy_are_a_fault(self, school: tuple[Path, Path]) -> None:
        good = open_published(*school).policy
        (school[0] / "policies/tiers.yaml").write_text("tiers: [")
        published = open_published(*school)
        assert published.policy == good
        assert "Serving the last good policy" in published.faults["policy"]

    @pytest.mark.parametrize(
        "data", [b"", b"{}", b"\xff", b"[" * 100_000], ids=["empty", "no policy", "binary", "deep"]
    )
    def test_a_damaged_last_good_policy_is_compiled_anew(self, school: tuple[Path, Path], data: bytes) -> None:
        open_published(*school)
        policies.path(school[1]).write_bytes(data)
        assert open_published(*school).faults == {}
        assert policies.load(school[1]).school_code == "thu-01"

    def test_a_readonly_look_writes_nothing(self, school: tuple[Path, Path]) -> None:
        before = sorted(school[1].rglob("*"))
        assert open_readonly(*school).generation
        assert sorted(school[1].rglob("*")) == before

    def test_no_table_is_a_fault_and_not_an_error(self, school: tuple[Path, Path], tmp_path: Path) -> None:
        published = open_published(school[0], tmp_path / "empty")
        assert published.table is None
        assert "filterd lists build" in published.faults["table"]


class TestConfiguration:
    def test_a_change_is_taken_after_two_equal_looks(self, school: tuple[Path, Path]) -> None:
        published = open_published(*school)
        configs.change(school[0], "policies/names.yaml", "tro-choi.example", "other.example")
        assert not published.poll_config(), "it may still be in the middle of a save"
        assert published.poll_config()
        assert any(entry.name == "other.example" for entry in published.policy.names)
        assert not published.poll_config()
        assert published.swaps == 2

    def test_sighup_takes_it_at_once(self, school: tuple[Path, Path]) -> None:
        published = open_published(*school)
        configs.change(school[0], "policies/names.yaml", "tro-choi.example", "other.example")
        assert published.poll_config(at_once=True)

    def test_a_broken_change_is_one_fault_until_it_is_mended(self, school: tuple[Path, Path]) -> None:
        published = open_published(*school)
        good = published.policy
        configs.change(school[0], "policies/classes.yaml", "tier: tieu-hoc", "tier: tieuhoc")
        for _ in range(4):
            assert not published.poll_config()
        assert published.policy is good
        assert published.failed_reloads == {"policy": 1}
        assert "Nothing was changed" in published.faults["policy"]
        configs.change(school[0], "policies/classes.yaml", "tier: tieuhoc", "tier: tieu-hoc")
        published.poll_config()
        published.poll_config()
        assert published.faults == {}

    def test_a_touched_file_with_the_same_content_changes_nothing(self, school: tuple[Path, Path]) -> None:
        published = open_published(*school)
        path = school[0] / "policies/names.yaml"
        replace(path, path.read_bytes())
        assert not published.poll_config()
        assert not published.poll_config()
        assert published.swaps == 1, "the table at the start"

    def test_a_policy_that_cannot_be_kept_is_still_in_force(
        self, school: tuple[Path, Path], caplog: pytest.LogCaptureFixture
    ) -> None:
        (school[1] / "dns").write_text("a file in the way")
        assert compile_policy(*school).school_code == "thu-01"
        assert "in force until a restart" in caplog.text


class TestTable:
    @pytest.fixture
    def published(self, school: tuple[Path, Path]) -> Published:
        return open_published(*school)

    def test_a_new_generation_is_taken_once(self, published: Published) -> None:
        generation = build_table(published.config_dir, published.state_dir)
        assert published.poll_state()
        assert published.generation == generation
        assert not published.poll_state()

    def test_going_back_is_taken_too(self, published: Published) -> None:
        first = published.generation
        build_table(published.config_dir, published.state_dir)
        published.poll_state()
        replace(published.state_dir / "CURRENT", first.encode() + b"\n")
        assert published.poll_state()
        assert published.generation == first

    def test_a_damaged_one_is_passed_over_and_forgiven_when_it_is_no_longer_wanted(self, published: Published) -> None:
        first = published.generation
        second = build_table(published.config_dir, published.state_dir)
        (published.state_dir / "tables" / second / "meta.json").write_text("{}")
        assert not published.poll_state()
        assert published.generation == first
        assert second in published.faults["table"]
        replace(published.state_dir / "CURRENT", first.encode())
        assert not published.poll_state()
        assert published.faults == {}

    def test_a_damaged_newest_at_the_start_falls_back_to_the_one_before(self, school: tuple[Path, Path]) -> None:
        second = build_table(*school)
        (school[1] / "tables" / second / "sets.bin").unlink()
        published = open_published(*school)
        assert published.generation.startswith("000001-")
        assert "table" in published.faults

    def test_a_lost_pointer_is_a_fault_until_it_is_back(self, published: Published) -> None:
        pointer = published.state_dir / "CURRENT"
        good = pointer.read_bytes()
        pointer.write_bytes(b"rubbish")
        assert not published.poll_state()
        assert "CURRENT is missing or damaged" in published.faults["table"]
        replace(pointer, good)
        assert not published.poll_state()
        assert published.faults == {}

    def test_a_recheck_of_a_good_table_changes_nothing(self, published: Published) -> None:
        assert not published.recheck_table()
        assert published.faults == {}

    def test_a_recheck_of_a_damaged_one_takes_another(self, published: Published) -> None:
        first = published.generation
        second = build_table(published.config_dir, published.state_dir)
        published.poll_state()
        (published.state_dir / "tables" / second / "trie.marisa").write_bytes(b"")
        assert published.recheck_table()
        assert published.generation == first
        assert f"in force: {first}" in published.faults["table"]
        assert not published.poll_state(), "the damaged one is not taken again"

    def test_a_recheck_with_nothing_good_left_leaves_none_for_a_new_worker(self, published: Published) -> None:
        (published.state_dir / "tables" / published.generation / "trie.marisa").write_bytes(b"")
        assert not published.recheck_table()
        assert published.table is None
        assert "no table" in published.faults["table"]


class TestOverrides:
    @pytest.fixture
    def published(self, school: tuple[Path, Path]) -> Published:
        return open_published(*school)

    def test_they_are_taken_when_the_file_changes(self, published: Published) -> None:
        replace(published.state_dir / "overrides.json", overrides({"place": "3a", "until": 9_000_000_000}))
        assert published.poll_state()
        assert published.overrides.items[0].place == "3a"
        assert not published.poll_state()
        (published.state_dir / "overrides.json").unlink()
        assert published.poll_state()
        assert published.overrides.items == ()

    def test_the_file_in_their_own_folder_is_the_one_that_counts(self, published: Published) -> None:
        replace(published.state_dir / "overrides.json", overrides({"place": "3a", "until": 9_000_000_000}))
        published.poll_state()
        (published.state_dir / "overrides").mkdir()
        replace(published.state_dir / "overrides/overrides.json", overrides({"place": "7-3", "until": 9_000_000_000}))
        assert published.poll_state()
        assert [o.place for o in published.overrides.items] == ["7-3"]
        (published.state_dir / "overrides.json").unlink()
        assert not published.poll_state()

    def test_while_the_time_is_unknown_only_what_closes_is_in_force(self, published: Published) -> None:
        opens = {"place": "3a", "until": 9_000_000_000, "allow": {"names": ["a.vn"]}}
        closes = {"place": "3a", "until": 9_000_000_000, "block": {"names": ["b.vn"]}}
        replace(published.state_dir / "overrides.json", overrides(opens, closes))
        published.poll_state()
        assert published.overrides_in_force == published.overrides
        published.earliest = 1_795_219_200.0
        (kept,) = published.overrides_in_force.items
        assert (kept.since, kept.block.names) == (0, ("b.vn",))

    def test_a_broken_file_is_one_fault_and_the_last_good_ones_stay(self, published: Published) -> None:
        replace(published.state_dir / "overrides.json", overrides({"place": "3a", "until": 9_000_000_000}))
        published.poll_state()
        replace(published.state_dir / "overrides.json", b"{")
        for _ in range(3):
            assert not published.poll_state()
        assert published.overrides.items[0].place == "3a"
        assert published.failed_reloads == {"overrides": 1}

    def test_a_state_directory_that_is_no_directory_is_a_fault_and_no_crash(
        self, school: tuple[Path, Path], tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("")
        published = open_published(school[0], tmp_path / "file" / "state")
        assert set(published.faults) == {"table", "overrides"}
        assert not published.poll_state()
