"""The real bad days of one project, the lists that projects really publish, and nights in a row.

The real files are skipped where they are not at hand.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from filterd.core.judge import judge
from filterd.core.source import Source
from filterd.core.updates import Figures, Outcome, Why
from filterd.store.shelf import Shelf
from filterd.update.look import look
from tests.update.nights import KNOWN, LOGIN, TAKEN, Box, a_source, body, verdict

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `lists/` and `incidents/`."""
    archives = [DATA / "lists.tar.xz", DATA / "incidents.tar.xz"]
    if not all(path.exists() for path in archives):
        pytest.skip(f"no real lists at {DATA}")
    folder = tmp_path_factory.mktemp("real")
    for path in archives:
        subprocess.run(["tar", "-xJf", str(path), "-C", str(folder), "--no-same-owner"], check=True)
    return folder


STORIES = [
    pytest.param(
        [
            ("01-scam.good", TAKEN),
            ("02-scam.collapsed", ("refused", "empty")),
            ("03-scam.restored", TAKEN),
            ("04-scam.grew-6x", ("held", "grew")),
        ],
        id="scam",
    ),
    pytest.param(
        [
            ("01-gambling.good", TAKEN),
            ("02-gambling.collapsed", ("refused", "empty")),
            ("03-gambling.still-collapsed", ("held", "halved")),
        ],
        id="gambling",
    ),
    pytest.param([("scam-ags.good", TAKEN), ("scam-ags.collapsed", ("refused", "empty"))], id="AdGuard form"),
    pytest.param([("scam-dnsmasq.good", TAKEN), ("scam-dnsmasq.collapsed", ("refused", "empty"))], id="dnsmasq form"),
    pytest.param([("abuse.collapsed-entries-0", ("refused", "empty"))], id="abuse"),
    pytest.param([("malware.collapsed", ("refused", "empty"))], id="malware"),
]


def incident(real: Path, name: str) -> Path:
    (found,) = (real / "incidents").rglob(f"{name}.*")
    return found


@pytest.mark.parametrize("story", STORIES)
def test_the_outage_of_june_2026_night_by_night(real: Path, story: list[tuple[str, tuple[str, str]]]) -> None:
    box = Box(a_source())
    assert [verdict(box, incident(real, name)) for name, _ in story] == [expected for _, expected in story]


def test_a_list_that_refills_from_nothing_is_measured_by_what_it_was(real: Path) -> None:
    """Its entries grew from one download to the next; only the last good copy shows that nearly all are missing."""
    nights = [incident(real, "porn.collapsed.day2-few-entries"), incident(real, "porn.collapsed.last")]
    box = Box(a_source(), good=Figures("hosts", lines=500_013, entries=500_000, declared=500_000))
    assert [verdict(box, came) for came in nights] == [("held", "halved")] * 2
    fresh = Box(a_source("hosts", min_entries=250_000))
    assert [verdict(fresh, came) for came in nights] == [("refused", "too-few")] * 2


def test_every_incident_has_its_story(real: Path) -> None:
    told = {name for story in STORIES for name, _ in story.values[0]} | {"porn.collapsed.day2", "porn.collapsed.last"}
    for path in (real / "incidents").rglob("*.txt"):
        assert any(path.name.startswith(name) for name in told), path.name


NO_LISTS = {"LICENSE", "README.md"}
DECLARING = 30  # so many of them say how many entries they have


def real_lists(real: Path) -> list[Path]:
    found = [path for path in (real / "lists").rglob("*") if path.is_file() and "v2fly" not in path.parts]
    return sorted(path for path in found if path.name not in NO_LISTS and path.suffix != ".gz")


def source_of(path: Path) -> Source:
    only_exceptions = path.name.startswith("whitelist")
    return a_source("cidr" if "-ipv" in path.name else "auto", min_entries=0 if only_exceptions else 1)


@pytest.fixture(scope="session")
def figures(real: Path) -> dict[Path, Figures]:
    return {path: look(source_of(path), path, KNOWN) for path in real_lists(real)}


def test_every_real_list_is_taken_and_taken_again(figures: dict[Path, Figures]) -> None:
    for path, found in figures.items():
        assert judge(source_of(path), found, None).outcome is Outcome.TAKEN, path
        assert judge(source_of(path), found, found).outcome is Outcome.TAKEN, path
    assert sum(found.declared is not None for found in figures.values()) >= DECLARING


def test_what_real_lists_declare_is_nearly_right(figures: dict[Path, Figures]) -> None:
    """The judge allows three in a hundred; honest lists need less than one."""
    for path, found in figures.items():
        counted = found.lines if found.entries > found.lines else found.entries + found.refused
        if found.declared is not None:
            assert abs(counted - found.declared) <= max(0.01 * found.declared, 15), path


def test_every_real_list_that_declares_a_count_is_refused_when_it_is_cut_off(
    figures: dict[Path, Figures], tmp_path: Path
) -> None:
    for path, good in figures.items():
        if good.declared is None or good.entries > good.lines:
            continue
        text = path.read_bytes()
        (tmp_path / "cut").write_bytes(text[: len(text) * 9 // 10])
        found = look(source_of(path), tmp_path / "cut", KNOWN)
        for measure in (None, good):
            assert judge(source_of(path), found, measure).why is Why.COUNT, path


def test_every_real_category_of_v2fly_is_taken(real: Path) -> None:
    with Shelf() as shelf:
        for path in sorted((real / "lists/v2fly/data").glob("category-*")):
            found = look(a_source("v2fly", member=path.name), path.parent, KNOWN, shelf)
            assert judge(a_source(), found, found).outcome is Outcome.TAKEN, path


def test_45_commits_after_a_collapse_are_measured_by_what_was_there_before(tmp_path: Path) -> None:
    box = Box(a_source("hosts"))
    came = tmp_path / "came"
    came.write_bytes(body("hosts", 34_000, declared=34_000))
    assert verdict(box, came) == TAKEN
    came.write_bytes(body("hosts", 0, declared=0))
    assert verdict(box, came) == ("refused", "empty")
    for entries in range(5, 50):
        came.write_bytes(body("hosts", entries, declared=entries))
        assert verdict(box, came) == ("held", "halved")
    came.write_bytes(body("hosts", 33_000, declared=33_000))
    assert verdict(box, came) == TAKEN
    assert box.good is not None
    assert box.good.entries == 33_000


def test_a_list_that_swings_down_and_back_is_taken_again_when_it_is_back(tmp_path: Path) -> None:
    box, came = Box(a_source("hosts")), tmp_path / "came"
    seen = []
    for entries in (1436, 466, 1430, 6380, 1431):
        came.write_bytes(body("hosts", entries))
        seen.append(verdict(box, came))
    assert seen == [TAKEN, ("held", "halved"), TAKEN, ("held", "grew"), TAKEN]


def test_slow_growth_never_waits(tmp_path: Path) -> None:
    box, came = Box(a_source("hosts")), tmp_path / "came"
    entries = 100
    for _ in range(20):
        came.write_bytes(body("hosts", entries))
        assert verdict(box, came) == TAKEN
        entries = entries * 5 // 4


def test_the_first_copy_ever_needs_no_person_and_a_bad_one_is_not_the_measure(tmp_path: Path) -> None:
    box, came = Box(a_source("hosts", min_entries=500)), tmp_path / "came"
    for text, expected in (
        (b"404: Not Found", ("refused", "format")),
        (body("hosts", 3), ("refused", "too-few")),
        (body("hosts", 1000), TAKEN),
        (LOGIN, ("refused", "html")),
        (body("hosts", 1010), TAKEN),
    ):
        came.write_bytes(text)
        assert verdict(box, came) == expected
