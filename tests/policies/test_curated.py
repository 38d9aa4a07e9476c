"""What ships in blocklists/: the curated lists and the sources, beyond what the schema can check.

Lists of other projects are looked at only where `../shared/data` exists beside the repository.
"""

from __future__ import annotations

import ipaddress
import itertools
import lzma
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
from tests.policies.shipped import BLOCKLISTS, DATA, ROOT, covers, curated

# Named by nobody's policy, and yet the school stands still without them.
GOOD = (
    "chinhphu.vn", "dichvucong.gov.vn", "hanoi.edu.vn", "hcm.edu.vn", "hnmu.edu.vn", "vnu.edu.vn", "thuvienphapluat.vn",
    "vietcombank.com.vn", "bidv.com.vn", "agribank.com.vn", "vietinbank.vn", "techcombank.com", "mbbank.com.vn",
    "vpbank.com.vn", "acb.com.vn", "momo.vn", "vnpay.vn", "zalopay.vn", "vnpost.vn", "viettel.vn", "vnpt.vn", "fpt.vn",
    "tuoitre.vn", "vnexpress.net", "vtv.vn", "misa.vn", "bkav.com.vn", "kaspersky.com", "github.com", "github.io",
    "vercel.app", "netlify.app", "pages.dev", "web.app", "blogspot.com", "synology.me", "myqnapcloud.com", "eu.org",
    "tailscale.com", "zerotier.com", "teamviewer.com", "ultraviewer.net", "anydesk.com", "cloudflare.com", "apple.com",
    "icloud.com", "gateway.icloud.com", "apple-dns.net", "proton.me", "firefox.com", "mozilla.org", "opera.com",
    "brave.com", "quad9.net", "opendns.com", "adguard.com", "controld.com", "yahoo.com", "gs-loc.apple.com",
    "play.googleapis.com", "dl.google.com", "update.googleapis.com", "download.windowsupdate.com", "samsungcloud.com",
)  # fmt: skip
ADDRESSES = "encrypted-dns-addresses"
# Answered by the server itself, so that each gets the answer its makers ask for.
SIGNALS = ("use-application-dns.net", "mask.icloud.com", "mask-h2.icloud.com", "resolver.arpa", "_dns.resolver.arpa")


def test_every_category_has_a_curated_list_with_its_canary(shipped: Configuration) -> None:
    for category in shipped.policy.categories:
        assert curated(category.id)[0] == f"{category.id}.canary.filterd.internal"


def test_every_curated_file_is_a_source_that_is_on(shipped: Configuration) -> None:
    used = {s.url.removeprefix("file:curated/") for s in shipped.sources if s.url.startswith("file:") and s.enabled}
    assert used == {path.name for path in (BLOCKLISTS / "curated").glob("*.txt")}


def curated_sources() -> list[str]:
    """The lists of names; the one of addresses has tests of its own."""
    return sorted(p.stem for p in (BLOCKLISTS / "curated").glob("*.txt") if p.stem != ADDRESSES)


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


@pytest.mark.parametrize("name", curated_sources())
@pytest.mark.parametrize("kept", [pytest.param(GOOD, id="good-sites"), pytest.param(SIGNALS, id="signals")])
def test_a_curated_list_leaves_ordinary_services_and_signals_alone(name: str, kept: tuple[str, ...]) -> None:
    assert not [(rule, asked) for rule in curated(name) for asked in kept if covers(rule, asked)]


@pytest.mark.parametrize("name", curated_sources())
def test_no_name_of_a_curated_list_is_covered_by_another_one_of_its_category(shipped: Configuration, name: str) -> None:
    category = next(s.category for s in shipped.sources if s.id == f"curated-{name}")
    own = [
        s.id.removeprefix("curated-") for s in shipped.sources if s.category == category and s.url.startswith("file:")
    ]
    listed = {rule for source in own for rule in curated(source)}
    below = [rule for rule in curated(name) if any(parent in listed for parent in parents(rule))]
    assert not below
    assert sum(len(curated(source)) for source in own) == len(listed)


def parents(name: str) -> list[str]:
    """The names above it but for its top-level domain: a list that closes those is a school's to switch off."""
    labels = name.split(".")
    return [".".join(labels[at:]) for at in range(1, len(labels) - 1)]


def networks() -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(line) for line in curated(ADDRESSES)]


def test_the_curated_addresses_are_clean_and_stand_once(shipped: Configuration, suffixes: Suffixes) -> None:
    source = next(s for s in shipped.sources if s.id == f"curated-{ADDRESSES}")
    report = entries_of([(BLOCKLISTS / "curated" / f"{ADDRESSES}.txt").read_bytes()], source, suffixes)
    assert report.refused_total == 0, report.samples
    assert report.entries == len(set(networks())) == len(curated(ADDRESSES))
    for version in (4, 6):
        listed = sorted(n for n in networks() if n.version == version)
        assert not [(one, next_one) for one, next_one in itertools.pairwise(listed) if one.overlaps(next_one)]


def test_the_curated_addresses_are_single_ones_but_for_resolvers_with_an_address_for_each_profile() -> None:
    assert [str(n) for n in networks() if n.num_addresses > 1] == [
        "45.90.28.0/24", "45.90.30.0/24", "2a07:a8c0::/32", "2a07:a8c1::/32",
        "76.76.2.0/24", "76.76.10.0/24", "2606:1a40::/48", "2606:1a40:1::/48",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param("216.239.38.120", id="safe-search-of-google"),
        pytest.param("213.180.193.56", id="safe-search-of-yandex"),
        pytest.param("104.16.132.229", id="cdn-of-cloudflare"),
        pytest.param("162.159.200.1", id="time-of-cloudflare"),
        pytest.param("2606:4700::6810:84e5", id="cdn-of-cloudflare-ipv6"),
        pytest.param("142.250.204.35", id="google"),
        pytest.param("17.253.144.10", id="apple"),
        pytest.param("203.119.8.106", id="vnnic"),
        pytest.param("203.162.4.191", id="resolver-of-a-vietnamese-operator"),
    ],
)
def test_the_curated_addresses_leave_ordinary_servers_alone(kept: str) -> None:
    assert not [n for n in networks() if ipaddress.ip_address(kept) in n]


def test_most_curated_addresses_are_known_to_the_list_of_resolvers(real_lists: Path) -> None:
    known = {
        ipaddress.ip_address(line.split()[0])
        for name in ("doh-ipv4.txt", "doh-ipv6.txt")
        for line in (real_lists / "lists/dibdot-doh" / name).read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    }
    agreed = [network for network in networks() if any(address in network for address in known)]
    assert len(agreed) / len(networks()) >= 0.9


def test_top_level_domains_are_closed_only_where_the_source_says_so(shipped: Configuration) -> None:
    for source in shipped.sources:
        assert source.tld_list == (source.id.endswith("-tlds") or source.category == "dynamic-dns")


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


def test_sources_of_one_archive_are_fetched_in_one_way(shipped: Configuration) -> None:
    """They share the download, so the bounds of it must be the same."""
    ways: dict[str, set[tuple[object, ...]]] = {}
    for s in fetched(shipped.sources):
        ways.setdefault(s.url, set()).add((s.mirrors, s.max_bytes, s.allow_http, s.allow_private))
    assert not [url for url, found in ways.items() if len(found) > 1]


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
    if place is None or not (folder / place).exists():
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


def test_a_good_share_of_the_curated_resolvers_and_vpns_is_known_to_other_projects(real_lists: Path) -> None:
    """Written from memory, so with mistakes: names that no other list has are few, or they are old ones of ours."""
    known = {
        name
        for place in (
            "dibdot-doh/doh-domains.txt",
            "dibdot-doh/doh-domains_overall.txt",
            "hagezi/adblock/doh-vpn-proxy-bypass.txt",
        )
        for name in re.findall(
            r"[a-z0-9-]+(?:\.[a-z0-9-]+)+", (real_lists / "lists" / place).read_text(encoding="utf-8")
        )
    }
    above = {parent for name in known for parent in parents(name)}
    for source in ("encrypted-dns", "vpn-proxy"):
        ours = curated(source)[1:]
        agreed = [n for n in ours if n in known or n in above or any(parent in known for parent in parents(n))]
        assert len(agreed) / len(ours) >= 0.9, (source, sorted(set(ours) - set(agreed)))


def test_zones_of_dynamic_dns_are_public_suffixes_or_old_services(suffixes: Suffixes) -> None:
    """The public suffix list holds what these services say of themselves; the older ones never asked to be in it."""
    zones = curated("dynamic-dns")[1:]
    declared = [zone for zone in zones if names.key_of_text(zone) in suffixes.listed]
    assert len(declared) / len(zones) >= 0.5


def test_popular_vietnamese_sites_are_closed_by_no_list_against_going_around() -> None:
    path = DATA / "top-100k.csv.xz"
    if not path.exists():
        pytest.skip("the list of popular sites is not beside the repository (../shared/data/top-100k.csv.xz)")
    listed = {rule for name in ("dynamic-dns", "encrypted-dns", "vpn-proxy") for rule in curated(name)}
    with lzma.open(path, "rt", encoding="utf-8") as file:
        popular = [line.strip().rsplit(",", 1)[-1] for line in file]
    vietnamese = [site for site in popular if site.endswith(".vn")]
    assert len(vietnamese) > 200
    assert not [site for site in vietnamese if site in listed or any(parent in listed for parent in parents(site))]
