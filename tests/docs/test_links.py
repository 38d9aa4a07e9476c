"""Pages hang together: links lead somewhere (other sites are not asked), decisions are complete."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.markdown import ROOT, anchors, links, pages

MORE = [ROOT / "blocklists" / "README.md", ROOT / "benchmarks" / "README.md"]


@pytest.mark.parametrize("page", [*pages(), *MORE], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    broken = []
    for link in links(page):
        if link.startswith(("http://", "https://")):
            continue
        name, _, fragment = unquote(link).partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (fragment and fragment not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        inside = [link.partition("#")[0] for link in links(page) if "://" not in link]
        waiting += [(page.parent / unquote(link)).resolve() for link in inside if link]
    assert [str(page.relative_to(ROOT)) for page in pages() if page not in seen] == []


def test_decisions_are_numbered_without_gaps() -> None:
    found = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert [name[:4] for name in found] == [f"{n:04d}" for n in range(1, len(found) + 1)]


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")), ids=lambda path: path.name)
def test_decision_says_context_decision_and_consequence(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    wanted = ("## Context", "## Decision", "## Consequence")
    assert [title for title in wanted if text.count(f"\n{title}\n") != 1] == []


def test_every_library_is_recorded_with_its_reason() -> None:
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg", encoding="utf-8")
    wanted = found["options"]["install_requires"] + found["options.extras_require"]["dev"]
    libraries = re.findall(r"^([A-Za-z][\w.-]*)", wanted, re.MULTILINE)
    page = (ROOT / "docs" / "decisions" / "0012-libraries.md").read_text(encoding="utf-8")
    assert libraries
    assert [name for name in libraries if name not in page] == []
