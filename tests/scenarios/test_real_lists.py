"""The lists that projects really publish, and the bad days they really had. Skipped where the data is not at hand."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from filterd.core import names
from filterd.core.compiler import compile_table
from filterd.core.rules import Report, Suffixes, parse
from filterd.core.source import Source
from filterd.core.table import Table
from filterd.errors import ListError
from filterd.store import lists, suffixes

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


@pytest.fixture(scope="session")
def known() -> Suffixes:
    return suffixes.load()


def source(url: str, form: str, **more: object) -> Source:
    return Source(id="x", name="x", url=f"file:{url}", format=form, category="c", licence="", **more)  # type: ignore[arg-type]


def read(folder: Path, known: Suffixes, url: str, form: str = "auto", **more: object) -> tuple[set[bytes], Report]:
    wanted = source(url, form, **more)
    copy = lists.locate(wanted, folder, folder)
    assert copy is not None
    with lists.Shelf() as shelf:
        taken = shelf.take(copy)
        rules, report = parse(taken.read(), wanted, known, taken.include)
        return {key for key, _ in rules}, report


def key(name: str) -> bytes:
    return names.key_of_text(name)


@pytest.mark.parametrize(
    ("path", "form", "at_least", "dropped_at_most"),
    [
        ("lists/blocklistproject/drugs.txt", "hosts", 26_000, 0),
        ("lists/blocklistproject/youtube.txt", "hosts", 24_000, 0),
        ("lists/hagezi/hosts/doh-compressed.txt", "hosts", 3_900, 5),
        ("lists/blocklistproject/phishing-nl.txt", "domains", 190_000, 50),
        ("lists/hostsvn/extensions/gambling/domain.txt", "domains", 65_000, 5),
        ("lists/shadowwhisperer/Shock", "domains", 98, 0),
        ("lists/hagezi/wildcard/social.txt", "wildcard", 880, 5),
        ("lists/hostsvn/option/dnscrypt-hostsVN.txt", "wildcard", 8_500, 60),
        ("lists/hagezi/adblock/anti.piracy.txt", "adblock", 12_700, 5),
        ("lists/chongluadao/urls-ABP.txt", "adblock", 34_000, 20),
        ("lists/adguard-sdn/adguard_sdn_filter.txt", "adblock", 27_000, 500),
        ("lists/hagezi/rpz/doh.txt", "rpz", 6_900, 5),
        ("lists/hagezi/dnsmasq/nsfw.txt", "dnsmasq", 95_000, 5),
        ("lists/v2fly/data/tiktok", "v2fly", 30, 0),
    ],
)
def test_a_real_list_is_recognised_and_read_whole(
    real: Path, known: Suffixes, path: str, form: str, at_least: int, dropped_at_most: int
) -> None:
    _, report = read(real, known, path)
    assert report.format == form
    assert report.entries >= at_least
    assert report.refused_total <= dropped_at_most
    assert report.malformed == 0


def test_one_list_in_three_formats_names_the_same_domains(real: Path, known: Suffixes) -> None:
    folder = "lists/hostsvn/option"
    plain, _ = read(real, known, f"{folder}/domain.txt")
    dnsmasq, _ = read(real, known, f"{folder}/dnsmasq-hostsVN.conf")
    assert plain == dnsmasq
    wildcard, _ = read(real, known, "lists/hagezi/wildcard/nsfw.txt")
    assert wildcard == read(real, known, "lists/hagezi/dnsmasq/nsfw.txt")[0]


def test_pages_of_shared_sites_never_become_blocks_of_the_site(real: Path, known: Suffixes) -> None:
    keys, report = read(real, known, "lists/chongluadao/urls.txt")
    assert report.refused["path"] > 100
    for name in ("sites.google.com", "play.google.com", "apps.apple.com", "www.facebook.com", "zalo.me", "github.io"):
        assert key(name) not in keys
    assert key("sites.google.com") not in read(real, known, "lists/chongluadao/urls-ABP.txt")[0]


def test_vietnamese_names_in_unicode_are_blocked_as_they_are_asked(real: Path, known: Suffixes) -> None:
    keys, _ = read(real, known, "lists/chongluadao/urls-ABP.txt")
    assert key(names.normal("cốccốc.vn")) in keys
    assert key("shopgcaothụ.vn".encode("idna").decode()) in keys


@pytest.mark.parametrize(
    "path",
    [
        "lists/dibdot-doh/doh-ipv4.txt",
        "lists/dibdot-doh/doh-ipv6.txt",
        "lists/ut1/README.md",
        "lists/ut1/blacklists.tar.gz",
        "lists/v2fly/LICENSE",
        "lists/hagezi/README.md",
    ],
)
def test_what_is_no_domain_list_is_refused(real: Path, known: Suffixes, path: str) -> None:
    for form in ("auto", "domains"):
        with pytest.raises(ListError):
            read(real, known, path, form)


@pytest.mark.parametrize(
    ("member", "at_least"), [("blacklists/gambling", 30_000), ("blacklists/proxy", 80_000), ("drogue", 400)]
)
def test_ut1_categories_are_read_from_the_tarball(real: Path, known: Suffixes, member: str, at_least: int) -> None:
    _, report = read(real, known, "lists/ut1/blacklists.tar.gz", "ut1", member=member)
    assert report.entries >= at_least


def test_a_link_in_the_ut1_tarball_is_the_category_it_points_to(real: Path, known: Suffixes) -> None:
    proxy, report = read(real, known, "lists/ut1/blacklists.tar.gz", "ut1", member="blacklists/proxy")
    assert proxy == read(real, known, "lists/ut1/blacklists.tar.gz", "ut1", member="blacklists/redirector")[0]
    assert report.refused["ip"] > 20_000


def test_a_ut1_category_without_domains_is_missing_and_not_empty(real: Path, known: Suffixes) -> None:
    with pytest.raises(ListError, match="missing, not empty"):
        read(real, known, "lists/ut1/blacklists.tar.gz", "ut1", member="blacklists/adult")


def test_v2fly_includes_are_followed(real: Path, known: Suffixes) -> None:
    keys, report = read(real, known, "lists/v2fly/data", "v2fly", member="category-games")
    assert key("steampowered.com") in keys
    assert key("roblox.com") in keys
    assert report.refused["include"] == 0


@pytest.mark.parametrize("incident", ["abuse", "gambling", "malware", "scam", "scam-ags", "scam-dnsmasq"])
def test_a_list_that_collapsed_to_a_header_is_refused(real: Path, known: Suffixes, incident: str) -> None:
    found = sorted((real / "incidents").rglob(f"*{incident}.collapsed*"))
    assert found
    for path in found:
        with pytest.raises(ListError, match="no entries"):
            read(real, known, str(path.relative_to(real)))


def test_a_list_that_collapsed_to_a_few_entries_fails_its_minimum(real: Path, known: Suffixes) -> None:
    for path in (real / "incidents").rglob("porn.collapsed*"):
        with pytest.raises(ListError, match="fewer than the 1000"):
            read(real, known, str(path.relative_to(real)), "hosts", min_entries=1000)


def test_exceptions_of_a_real_list_reach_the_table(real: Path, known: Suffixes) -> None:
    wanted = source("lists/adguard-sdn/adguard_sdn_filter.txt", "adblock")
    copy = lists.locate(wanted, real, real)
    assert copy is not None
    with lists.Shelf() as shelf:
        built = compile_table([shelf.take(copy)], known)
    table = Table(built.trie, built.ids, built.sets, built.sources, generation="", built_at=0, names=built.names)
    excepted = [m for m in table.matches(key("ads.tdbank.com")) if m.exception]
    assert excepted
    assert table.mask(key("ads.tdbank.com")) == 0


def test_the_unpacked_lists_hold_no_surprise_for_any_format(real: Path, known: Suffixes) -> None:
    """Every file of the collection, under every guess: rules or ListError, nothing else."""
    files = subprocess.run(["find", "lists", "-type", "f", "-size", "-60k"], cwd=real, capture_output=True, text=True)
    for path in files.stdout.split()[::40]:
        for form in ("auto", "hosts", "adblock", "rpz", "dnsmasq", "unbound", "v2fly"):
            try:
                read(real, known, path, form)
            except ListError:
                continue
