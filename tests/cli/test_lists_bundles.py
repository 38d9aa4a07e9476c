"""`filterd lists export` and `import`: a bundle from one box to another, and what is said where it is not taken."""

from __future__ import annotations

import base64
import json
import shutil
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from filterd.cli.main import main
from filterd.store import keys, lists, tables
from tests import configs
from tests.running import build_table

WIDTH = 80


class Boxes:
    """A district's box and a school's, which trusts it; `bundle` is the folder between them."""

    def __init__(self, root: Path) -> None:
        self.root, self.bundle = root, root / "bundle"
        for name in ("district", "school"):
            configs.write(root / name)
        (root / "safe").mkdir()
        self.key = keys.create(root / "safe", "so-giao-duc")
        keys.trust(root / "school", self.key)

    def state(self, box: str) -> Path:
        return self.root / f"{box}-state"

    def block(self, name: str) -> str:
        """The district's lists have one name more."""
        with (self.root / "district/blocklists/curated/adult.txt").open("a", encoding="utf-8") as file:
            file.write(f"{name}\n")
        return build_table(self.root / "district", self.state("district"))

    def run(self, box: str, *words: str | Path, code: int = 0) -> Result:
        arguments = ["lists", *map(str, words), "-c", str(self.root / box), "--state-dir", str(self.state(box))]
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    def export(self, *words: str, code: int = 0) -> Result:
        return self.run(
            "district", "export", self.bundle, "--key", self.root / "safe/so-giao-duc.key", *words, code=code
        )

    def take(self, code: int = 0) -> Result:
        return self.run("school", "import", self.bundle, code=code)


@pytest.fixture
def boxes(tmp_path: Path) -> Boxes:
    made = Boxes(tmp_path)
    made.block("first.example")
    return made


def plain(result: Result) -> str:
    return " ".join(result.output.split())


def test_a_table_travels_from_the_district_to_the_school(boxes: Boxes) -> None:
    exported = boxes.export()
    assert f"signed with so-giao-duc.key ({boxes.key.id})" in exported.output
    imported = boxes.take()
    assert f"signed by so-giao-duc ({boxes.key.id})" in imported.output
    generation = tables.current(boxes.state("school"))
    assert f"Table {generation} is in force.\n" in imported.output
    table = tables.open_table(tables.verify(boxes.state("school"), str(generation)))
    assert table.mask(b"example.first.") != 0
    for result in (exported, imported):
        assert [line for line in result.output.splitlines() if len(line) > WIDTH and str(boxes.root) not in line] == []


def test_the_bundle_is_the_schools_unless_it_is_called_otherwise(boxes: Boxes) -> None:
    assert "bundle   Trường Thử, " in boxes.export().output
    assert "bundle   Sở Giáo dục, " in boxes.export("--name", "Sở Giáo dục").output


def test_the_same_bundle_again_changes_nothing(boxes: Boxes) -> None:
    boxes.export()
    boxes.take()
    assert "is in force, as it was before." in boxes.take().output
    boxes.export()
    assert "is in force, as it was before." in boxes.take().output
    assert len(tables.generations(boxes.state("school"))) == 1


def test_a_newer_one_replaces_it_and_the_older_one_never_comes_back(boxes: Boxes, tmp_path: Path) -> None:
    boxes.export()
    boxes.take()
    shutil.copytree(boxes.bundle, tmp_path / "old")
    boxes.block("second.example")
    boxes.export()
    boxes.take()
    in_force = tables.current(boxes.state("school"))
    boxes.bundle = tmp_path / "old"
    result = boxes.take(code=1)
    assert "the bundle is not taken: " in plain(result)
    assert "an older one is never taken" in plain(result)
    assert f"In force: {in_force}" in result.output


def tamper(boxes: Boxes) -> None:
    path = boxes.bundle / "index.json"
    path.write_bytes(path.read_bytes().replace(b'"names"', b'"Names"'))


def expire(boxes: Boxes) -> None:
    body = json.loads((boxes.bundle / "index.json").read_bytes()) | {"expires_at": int(time.time()) - 1}
    data = json.dumps(body).encode()
    private = keys.load_private(boxes.root / "safe/so-giao-duc.key")
    (boxes.bundle / "index.json").write_bytes(data)
    (boxes.bundle / "index.json.sig").write_bytes(base64.b64encode(keys.sign(private, data)))


def cut(boxes: Boxes) -> None:
    next(boxes.bundle.glob("*/trie.marisa")).write_bytes(b"cut")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        pytest.param(tamper, "is not signed by a key trusted here (so-giao-duc (", id="tampered"),
        pytest.param(expire, "Ask for a newer one", id="expired"),
        pytest.param(cut, "has 3 bytes,", id="truncated"),
        pytest.param(lambda b: (b.bundle / "index.json.sig").unlink(), "or only half of one", id="not signed"),
        pytest.param(lambda b: (b.root / "school/keys/so-giao-duc.pub").unlink(), "no key is trusted", id="no key"),
    ],
)
def test_what_may_not_be_taken_leaves_what_was_in_force(boxes: Boxes, harm, said: str) -> None:  # type: ignore[no-untyped-def]
    before = build_table(boxes.root / "school", boxes.state("school"))
    boxes.export()
    harm(boxes)
    result = boxes.take(code=1)
    assert said in plain(result)
    assert f"In force: {before}" in result.output
    assert tables.current(boxes.state("school")) == before


def test_a_box_in_1970_takes_it_with_a_warning_and_makes_none(boxes: Boxes, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes.export()
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    assert "does not know the time (it says 1970-01-01)" in plain(boxes.take())
    assert "no bundle was made: this box does not know the time" in plain(boxes.export(code=1))


@pytest.mark.parametrize(
    ("place", "said"),
    [
        pytest.param("safe/so-giao-duc.pub", "holds no private key", id="the public half"),
        pytest.param("nothing.key", "cannot be read: No such file", id="no file"),
    ],
)
def test_without_a_private_key_no_bundle_is_made(boxes: Boxes, place: str, said: str) -> None:
    (boxes.root / "safe/so-giao-duc.pub").chmod(0o600)
    result = boxes.run("district", "export", boxes.bundle, "--key", boxes.root / place, code=1)
    assert said in plain(result)
    assert not boxes.bundle.exists()


def test_a_key_in_the_bundles_folder_is_refused(boxes: Boxes) -> None:
    boxes.bundle.mkdir()
    keys.create(boxes.bundle, "careless")
    result = boxes.run("district", "export", boxes.bundle, "--key", boxes.bundle / "careless.key", code=1)
    assert "where everybody would read it" in plain(result)
    assert not (boxes.bundle / "index.json").exists()


def test_a_table_that_would_block_what_must_resolve_is_not_taken(boxes: Boxes) -> None:
    (boxes.root / "school/policies/probes.yaml").write_text(
        "must_resolve:\n  - id: our-sites\n    name: {vi: Học, en: Learning}\n    names: [second.example]\n",
        encoding="utf-8",
    )
    boxes.export()
    boxes.take()
    before = tables.current(boxes.state("school"))
    boxes.block("second.example")
    boxes.export()
    result = boxes.take(code=1)
    assert "this table would block second.example for " in plain(result)
    assert tables.current(boxes.state("school")) == before


def test_another_update_at_work_is_left_alone(boxes: Boxes) -> None:
    boxes.export()
    with lists.lock(boxes.state("school")):
        assert "another update is at work" in plain(boxes.take(code=1))
