"""What the pages show is true: every YAML block loads, every command does what stands below it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from filterd.cli.main import COMMANDS
from filterd.config import load
from tests.docs.console import Console, unknown_words
from tests.docs.markdown import ROOT, Block, blocks, inline, pages, prose

LANGUAGES = {"yaml", "console", "text", "promql"}
MERGED = ", added to what ships"
YAML_BLOCKS = [block for page in pages() for block in blocks(page, "yaml")]
# README.vi.md shows what README.md shows; a test below holds them together.
WITH_COMMANDS = [page for page in pages() if blocks(page, "console") and page.name != "README.vi.md"]
ALL_BLOCKS = [block for page in pages() for block in blocks(page)]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A copy of what ships."""
    for name in ("policies", "blocklists"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    found = Console(tmp_path)
    yield found
    found.close()


@pytest.mark.parametrize("block", ALL_BLOCKS, ids=lambda block: block.where)
def test_block_says_what_language_it_is_in(block: Block) -> None:
    assert block.language in LANGUAGES


@pytest.mark.parametrize("block", ALL_BLOCKS, ids=lambda block: block.where)
def test_block_fits_a_terminal(block: Block) -> None:
    lines = [line for line in block.text.splitlines() if not re.fullmatch(r" *https?://\S+", line)]
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("block", YAML_BLOCKS, ids=lambda block: block.where)
def test_yaml_block_loads_with_what_ships(block: Block, shipped: Path) -> None:
    head = re.match(r"# ((?:policies|blocklists)/[a-z]+\.yaml)(" + MERGED + r")?\n", block.text)
    assert head is not None, "the first line names the file: '# policies/classes.yaml'"
    path = shipped / head[1]
    if head[2]:
        path.write_text(merged(path.read_text(encoding="utf-8"), block.text), encoding="utf-8")
    else:
        path.write_text(block.text + "\n", encoding="utf-8")
    load.load_all(shipped)


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=named)
def test_commands_do_what_the_page_shows(page: Path, console: Console) -> None:
    wrong = [problem for block in blocks(page, "console") for problem in console.play(block)]
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("page", pages(), ids=named)
def test_commands_in_the_text_exist(page: Path) -> None:
    typed = [code for code in inline(page) if code.startswith("filterd ")]
    assert [problem for code in typed if (problem := unknown_words(code))] == []


@pytest.mark.parametrize("name", ["README.md", "README.vi.md"])
def test_readme_has_a_line_for_every_command(name: str) -> None:
    first_cells = set(re.findall(r"^\| `filterd (\w+)", prose(ROOT / name), re.MULTILINE))
    assert first_cells == set(COMMANDS)


def test_both_readmes_show_the_same_commands() -> None:
    english, vietnamese = (
        [re.sub(r"my-school|truong-toi", "DIR", block.text) for block in blocks(ROOT / name, "console")]
        for name in ("README.md", "README.vi.md")
    )
    assert english == vietnamese


def test_both_pages_about_updates_show_the_same_commands() -> None:
    english, vietnamese = (
        [block.text for block in blocks(ROOT / "docs" / name) if block.language != "yaml"]
        for name in ("updates.md", "updates.vi.md")
    )
    assert english == vietnamese


def merged(shipped: str, added: str) -> str:
    """A file with the entries of another added: maps by key, lists at the end, everything else replaced."""
    return yaml.safe_dump(_merge(yaml.safe_load(shipped), yaml.safe_load(added)), allow_unicode=True)


def _merge(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: _merge(old[key], value) if key in old else value for key, value in new.items()}}
    return old + new if isinstance(old, list) and isinstance(new, list) else new
