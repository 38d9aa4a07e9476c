"""What ships in blocklists/: the curated lists and the sources, beyond what the schema can check.

Lists of other projects are looked at only where `../shared/data` exists beside the repository.
"""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

import pytest

from filterd.config import load
from filterd.config.load import Configuration
from filterd.core import names
from filterd.core.policy import Policy
from filterd.core.rules.model import Include
from filterd.core.rules.parse import parse
from filterd.core.rules.report import Report
from filterd.core.rules.suffixes import Suffixes
from filterd.core.source import Source
from tests.policies.shipped import BLOCKLISTS, ROOT, covers, curated


def test_every_category_has_a_curated_list_with_its_canary(shipped: Configuration) -> None:
    for category in shipped.policy.categories:
        assert curated(category.id)[0] == f"{category.id}.canary.filterd.internal"


def test_every_curated_file_is_a_source_that_is_on(shipped: Configuration) -> None:
    used = {s.url.removeprefix("file:curated/") for s in shipped.sources if s.url.startswith("file:") and s.enabled}
    assert used == {path.name for path in (BLOCKLISTS / "curated").glob("*.txt")}


def curated_sources() -> list[str]:
    return sorted(path.stem for path in (BLOCKLISTS / "curated").glob("*.txt"))


@pytest.mark.parametrize("name", curated_sources())
def test_a_curated_list_is_clean(shipped: Configuration, suffixes: Suffixes, name: str) -> None:
    source = next(s for s in shipped.sources if s.id == f"curated-{name}")
    path = BLOCKLISTS / "curated" / f"{name}.txt"
    report = entries_of([path.read_bytes()], source, suffixes)
    assert report.refused_total == 0, report.samples
    assert report.entries == len(set(curated(name))) == len(curated(name)) <= 700
    assert "Licence: MIT, part of filterd" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", curated_sources())
def test_a_curated_list_blocks_nothing_that_must_stay_open(policy: Policy, name: str) -> None:
    learning = [rule for s in policy.services if s.category is None for rule in s.names]
    listed = curated(name)
    assert not [(n, keep) for n in listed for keep in (*policy.floor.must_allow, *learning) if covers(n, keep)]
    assert not [n for n in listed if any(covers(must, n) for must in policy.floor.must_allow)]


def test_top_level_domains_are_closed_only_where_the_source_says_so(shipped: Configuration) -> None:
    for source in shipped.sources:
        assert source.tld_list == (source.id.endswith("-tlds") or source.id == "curated-dynamic-dns")


def test_dynamic_dns_closes_zones_and_no_top_level_domain() -> None:
    assert not [name for name in curated("dynamic-dns") if "." not in name]


# ----------------------------------------------------------------------------------------------------------- sources


def fetched(sources: tuple[Source, ...]) -> list[Source]:
    return [s for s in sources if not s.url.startswith("file:")]


def test_every_fetched_source_is_https_with_licence_and_homepage(shipped: Configuration) -> None:
    sources = fetched(shipped.sources)
    assert len(sources) > 20
    for source in sources:
        assert all(url.startswith("https://") for url in (source.url, *source.mirrors, source.homepage)), source.id
        assert source.licence and source.min_entries > 1, source.id


def test_vietnamese_lists_are_on(shipped: Configuration) -> None:
    on = {s.category for s in fetched(shipped.sources) if s.enabled and "vi" in s.languages}
    assert {"adult", "gambling", "scam"} <= on


def test_lists_that_block_good_sites_are_not_used(shipped: Configuration) -> None:
    members = {(s.member or "").rsplit("/", 1)[-1] for s in shipped.sources}
    assert not members & {"liste_bu", "liste_blanche", "child", "cleaning", "sexual_education", "examen_pix"}
    assert not [s.id for s in shipped.sources if re.search(r"urls-(ABP|pihole|UBL|UBO)", s.url)]


# ------------------------------------------------------------------------------------- against the lists of the field

_PLACES = (
    (r"bigdargon/hostsVN/master/(.+)", "hostsvn"),
    (r"hagezi/dns-blocklists/main/(.+)", "hagezi"),
    (r"ShadowWhisperer/BlockLists/master/Lists/(.+)", "shadowwhisperer"),
    (r"dibdot/DoH-IP-blocklists/master/(.+)", "dibdot-doh"),
    (r"ChongLuaDao-Phishing-Blocklist/main/(.+)", "chongluadao"),
    (r"blocklistproject\.github\.io/Lists/(?:alt-version/)?(.+)", "blocklistproject"),
)


def copy_in_data(source: Source) -> str | None:
    """Path of a single-file source's copy inside the archive of real lists, if it is of a project that is there."""
    for pattern, folder in _PLACES:
        if found := re.search(pattern, source.url):
            return f"lists/{folder}/{found[1]}"
    return None


def entries_of(chunks: list[bytes], source: Source, suffixes: Suffixes, include: Include | None = None) -> Report:
    rules, report = parse(chunks, source, suffixes, include)
    for _ in rules:
        pass
    return report


def report_on_copy(folder: Path, source: Source, suffixes: Suffixes) -> Report:
    """The real copy of a source, read as the box would. Skips where the archive has no copy of it."""
    if source.format == "v2fly" and source.member:
        tree = folder / "lists/v2fly/data"
        first = (folder / "lists/v2fly" / source.member).read_bytes()
        return entries_of([first], source, suffixes, lambda name: [(tree / name).read_bytes()])
    if source.format == "ut1":
        with tarfile.open(folder / "lists/ut1/blacklists.tar.gz") as archive:
            if f"{source.member}/domains" not in archive.getnames():
                pytest.skip("this part of UT1 is too large for the copy beside the repository")
            data = archive.extractfile(f"{source.member}/domains")
            assert data is not None
            return entries_of([data.read()], source, suffixes)
    place = copy_in_data(source)
    if place is None:
        pytest.skip("no copy of this source beside the repository")
    return entries_of([(folder / place).read_bytes()], source, suffixes)


@pytest.mark.parametrize("source", fetched(load.load_sources(ROOT)), ids=lambda s: s.id)
def test_a_real_copy_has_between_one_and_three_times_min_entries(
    real_lists: Path, suffixes: Suffixes, source: Source
) -> None:
    report = report_on_copy(real_lists, source, suffixes)
    assert source.min_entries <= report.entries <= 3 * source.min_entries


@pytest.mark.parametrize("wanted", ["malware", "scam", "phishing", "illegal"])
def test_real_floor_lists_block_no_learning_site(
    real_lists: Path, shipped: Configuration, suffixes: Suffixes, wanted: str
) -> None:
    """Profiles open learning sites against any list but the floor's, so the floor's must be right by themselves."""
    kept = [
        names.key_of_text(rule.lstrip("=")) for s in shipped.policy.services if s.category is None for rule in s.names
    ]
    ancestors = {ancestor for key in kept for ancestor in names.ancestors(key)}
    for source in fetched(shipped.sources):
        place = copy_in_data(source)
        if source.enabled and source.category == wanted and place is not None:
            rules, _ = parse([(real_lists / place).read_bytes()], source, suffixes)
            assert not {key for key, _ in rules} & ancestors, source.id
