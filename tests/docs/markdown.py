"""Reads the project's Markdown: fenced blocks with line numbers, headings, links, table cells. It renders nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^(`{3,})(.*)$")
_LINK = re.compile(r"!?\[[^\]\n]*\]\(([^)\s]+)\)")
_INLINE_CODE = re.compile(r"`[^`\n]*`")


@dataclass(frozen=True)
class Block:
    """One fenced block. `line` is that of its first line of text, `info` what stands behind the language."""

    path: Path
    line: int
    language: str
    info: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """The pages a reader is sent to: both READMEs and everything in docs/."""
    return [ROOT / "README.md", ROOT / "README.vi.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(path: Path, language: str | None = None) -> list[Block]:
    """The fenced blocks of a page, in order; of one language or all."""
    found: list[Block] = []
    lines: list[str] = []
    fence, start, head = "", 0, ("", "")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        match = _FENCE.match(line)
        if fence and match and match[1] == fence and not match[2]:
            found.append(Block(path, start, *head, "\n".join(lines)))
            fence = ""
        elif not fence and match:
            name, _, info = match[2].strip().partition(" ")
            fence, start, head, lines = match[1], number + 1, (name, info), []
        elif fence:
            lines.append(line)
    assert not fence, f"{path.name}: a block that begins in line {start} never ends"
    return [block for block in found if language in (None, block.language)]


def prose(path: Path) -> str:
    """A page without its fenced blocks; line breaks stay where they were."""
    kept, inside = [], False
    for line in path.read_text(encoding="utf-8").splitlines():
        if _FENCE.match(line):
            inside = not inside
            kept.append("")
        else:
            kept.append("" if inside else line)
    return "\n".join(kept)


def inline(path: Path) -> list[str]:
    """What stands in code marks within the text of a page."""
    return [found.strip("`") for found in _INLINE_CODE.findall(prose(path))]


def links(path: Path) -> list[str]:
    """Where the links and pictures of a page lead."""
    return _LINK.findall(_INLINE_CODE.sub("", prose(path)))


def anchors(path: Path) -> set[str]:
    """The fragments by which headings of a page can be linked, as GitHub makes them."""
    titles = re.findall(r"^#{1,6} (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def rows(path: Path, header: str) -> list[list[str]]:
    """The cells of the table whose first line begins with `header`; code marks are taken off single-code cells."""
    lines = path.read_text(encoding="utf-8").splitlines()
    at = next((i for i, line in enumerate(lines) if line.startswith(header)), None)
    assert at is not None, f"{path.name} has no table that begins with {header!r}"
    found = []
    for line in lines[at + 2 :]:
        if not line.startswith("|"):
            break
        found.append([_plain(cell.strip()) for cell in line.strip().strip("|").split("|")])
    return found


def _plain(cell: str) -> str:
    match = re.fullmatch(r"`([^`]*)`", cell)
    return match[1] if match else cell
