"""What ships in policies/safesearch.yaml: which search hosts are rewritten to what, and which can only be closed.

The comparison with others' rules needs `../shared/data/safesearch-rules.csv` beside the repository.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping

import pytest

from filterd.core.policy import Policy, SafeEngine
from tests.policies.shipped import BLOCKLISTS, DATA, covers, curated, service

ENGINES = ("google", "youtube", "bing", "duckduckgo", "ecosia", "brave", "pixabay", "yandex")
YOUTUBE = {
    "www.youtube.com", "m.youtube.com", "youtubei.googleapis.com", "youtube.googleapis.com", "www.youtube-nocookie.com"
}  # fmt: skip


def engine(policy: Policy, wanted: str) -> SafeEngine:
    return next(e for e in policy.engines if e.id == wanted)


def answers(policy: Policy) -> Mapping[str, set[str]]:
    """Every host with the names and addresses that one mode or another answers."""
    return {
        host: {answer for mode in e.modes for answer in (mode.target, *mode.ipv4, *mode.ipv6) if answer}
        for e in policy.engines
        for host in e.hosts
    }


def test_every_engine_with_a_safe_mode_behind_dns_ships(policy: Policy) -> None:
    assert tuple(e.id for e in policy.engines) == ENGINES


def test_no_host_stands_twice(policy: Policy) -> None:
    hosts = [host for e in policy.engines for host in e.hosts]
    assert len(hosts) == len(set(hosts))


def test_every_engine_says_where_its_maker_describes_it(policy: Policy) -> None:
    assert not [e.id for e in policy.engines if not e.sources]


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        pytest.param("www.google.com", "forcesafesearch.google.com", id="google"),
        pytest.param("www.google.com.vn", "forcesafesearch.google.com", id="google-vietnam"),
        pytest.param("www.google.co.uk", "forcesafesearch.google.com", id="google-britain"),
        pytest.param("www.google.la", "forcesafesearch.google.com", id="google-laos"),
        pytest.param("www.bing.com", "strict.bing.com", id="bing"),
        pytest.param("edgeservices.bing.com", "strict.bing.com", id="edge-sidebar"),
        pytest.param("duckduckgo.com", "safe.duckduckgo.com", id="duckduckgo"),
        pytest.param("www.ecosia.org", "strict-safe-search.ecosia.org", id="ecosia"),
        pytest.param("search.brave.com", "forcesafe.search.brave.com", id="brave"),
        pytest.param("pixabay.com", "safesearch.pixabay.com", id="pixabay"),
        pytest.param("yandex.com", "213.180.193.56", id="yandex"),
    ],
)
def test_a_search_host_is_led_to_its_safe_form(policy: Policy, host: str, answer: str) -> None:
    assert answers(policy)[host] == {answer}


def test_youtube_has_five_hosts_and_two_modes_with_the_strict_one_first(policy: Policy) -> None:
    youtube = engine(policy, "youtube")
    assert set(youtube.hosts) == YOUTUBE
    assert [(m.id, m.target) for m in youtube.modes] == [
        ("strict", "restrict.youtube.com"),
        ("moderate", "restrictmoderate.youtube.com"),
    ]


@pytest.mark.parametrize(
    "kept",
    ["mail.google.com", "docs.google.com", "classroom.google.com", "accounts.google.com", "google.com", "i.ytimg.com",
     "login.live.com", "www.googleapis.com", "maps.yandex.ru", "cdn.pixabay.com"],
)  # fmt: skip
def test_a_service_beside_the_search_is_left_alone(policy: Policy, kept: str) -> None:
    assert kept not in answers(policy)


def test_google_and_yandex_rewrite_one_kind_of_host(policy: Policy) -> None:
    """A slip in a long list would lead somebody else's site to Google."""
    assert all(host.startswith("www.google.") and host.count(".") <= 3 for host in engine(policy, "google").hosts)
    yandex = {host.removeprefix("www.") for host in engine(policy, "yandex").hosts}
    assert {name for name in yandex if not name.startswith("yandex.")} == {"ya.ru", "xn--d1acpjx3f.xn--p1ai"}


def test_a_host_of_yandex_has_its_form_with_and_without_www(policy: Policy) -> None:
    hosts = set(engine(policy, "yandex").hosts)
    assert {f"www.{host.removeprefix('www.')}" for host in hosts} == {h for h in hosts if h.startswith("www.")}


# ------------------------------------------------------------------------------------------------ engines without one


def test_engines_without_a_safe_mode_are_no_search_host_or_target(policy: Policy) -> None:
    closed = service(policy, "unsafe-search").names
    safe = {name for host, given in answers(policy).items() for name in (host, *given)}
    assert not [(rule, name) for rule in closed for name in safe if covers(rule, name)]
    assert len(closed) == len(set(closed))


@pytest.mark.parametrize(
    "closed",
    ["www.qwant.com", "www.startpage.com", "vn.search.yahoo.com", "www.baidu.com", "kagi.com", "you.com", "yep.com",
     "www.mojeek.com", "searx.be", "html.duckduckgo.com"],
)  # fmt: skip
def test_an_engine_without_a_safe_mode_is_in_the_group(policy: Policy, closed: str) -> None:
    assert any(covers(rule, closed) for rule in service(policy, "unsafe-search").names)


@pytest.mark.parametrize(
    "kept",
    ["mail.yahoo.com", "pan.baidu.com", "fanyi.baidu.com", "safe.duckduckgo.com", "www.bing.com", "swisscows.com",
     "www.wolframalpha.com", "map.naver.com", "scholar.google.com"],
)  # fmt: skip
def test_what_else_those_companies_offer_stays_open(policy: Policy, kept: str) -> None:
    assert not [rule for rule in service(policy, "unsafe-search").names if covers(rule, kept)]


def test_coc_coc_search_can_be_opened_alone_and_its_browser_still_updates(policy: Policy) -> None:
    found = service(policy, "coc-coc")
    assert found.category == "unsafe-search"
    assert any(covers(rule, "coccoc.com") for rule in found.names)
    assert not [rule for rule in found.names if covers(rule, "update.coccoc.com")]


# -------------------------------------------------------------------------------------------------- against the lists


def test_no_curated_list_names_a_search_host_or_target(policy: Policy) -> None:
    safe = {name for host, given in answers(policy).items() for name in (host, *given)}
    for path in (BLOCKLISTS / "curated").glob("*.txt"):
        rules = [] if path.stem.endswith("-addresses") else curated(path.stem)
        assert not [(path.name, rule, name) for rule in rules for name in safe if covers(rule, name)]


def others() -> dict[str, dict[str, str]]:
    """Rules of other filters by engine: host to answer. Skips where the file is absent."""
    path = DATA / "safesearch-rules.csv"
    if not path.exists():
        pytest.skip("others' rules are not beside the repository (../shared/data/safesearch-rules.csv)")
    found: dict[str, dict[str, str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["engine"], {})[row["host"]] = row["target"]
    return found


@pytest.mark.parametrize("name", ENGINES)
def test_nearly_all_hosts_that_other_filters_rewrite_are_here_with_the_same_answer(policy: Policy, name: str) -> None:
    theirs = others()[name]
    ours = answers(policy)
    agreed = [host for host, answer in theirs.items() if answer in ours.get(host, set())]
    share = len(agreed) / len(theirs)
    assert share >= 0.95, f"{name}: {share:.1%}; missing {sorted(set(theirs) - set(agreed))[:20]}"


@pytest.mark.parametrize("name", ENGINES)
def test_we_rewrite_hardly_a_host_that_no_other_filter_does(policy: Policy, name: str) -> None:
    assert len(set(engine(policy, name).hosts) - set(others()[name])) <= len(others()[name]) // 20
