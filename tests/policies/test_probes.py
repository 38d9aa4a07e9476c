"""What ships in probes.yaml: that it holds with the lists that ship and with real ones, and what it would have stopped.

Lists of other projects are looked at only where `../shared/data` exists beside the repository.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from filterd.config.load import Configuration
from filterd.core import names
from filterd.core.compiler import Input, compile_table
from filterd.core.policy import Policy
from filterd.core.probe import probe
from filterd.core.rules.suffixes import Suffixes
from filterd.core.source import Source
from filterd.core.table import Table
from tests.policies.shipped import BLOCKLISTS, TIERS, covers, curated
from tests.policies.test_curated import copy_in_data, parents

LETTERS = "mtcpsg"  # the tiers in their order: mam-non, tieu-hoc, thcs, thpt, staff, guest


def table_of(suffixes: Suffixes, inputs: list[Input]) -> Table:
    made = compile_table(inputs, suffixes)
    assert not made.refused
    return Table(
        made.trie, made.ids, made.sets, made.sources, generation="", built_at=0, names=made.names, bounds=made.bounds
    )


def own_inputs(shipped: Configuration) -> list[Input]:
    """The lists that ship."""
    own = [s for s in shipped.sources if s.url.startswith("file:")]
    return [Input(s, partial(chunks, BLOCKLISTS / s.url.removeprefix("file:")), list_time=0) for s in own]


def chunks(path: Path) -> list[bytes]:
    return [path.read_bytes()]


def test_nothing_is_wrong_before_the_first_download(shipped: Configuration, suffixes: Suffixes) -> None:
    table = table_of(suffixes, own_inputs(shipped))
    assert probe(shipped.policy, table, shipped.probes, now=0) == ()


def test_nothing_is_wrong_with_the_real_lists_that_are_on(
    shipped: Configuration, suffixes: Suffixes, real_lists: Path
) -> None:
    fetched = [(s, real_lists / place) for s in shipped.sources if s.enabled and (place := copy_in_data(s)) is not None]
    there = [Input(s, partial(chunks, path), list_time=0) for s, path in fetched if path.exists()]
    assert len(there) > 10
    table = table_of(suffixes, [*own_inputs(shipped), *there])
    assert probe(shipped.policy, table, shipped.probes, now=0) == ()


@pytest.mark.parametrize("missing", ["adult", "adult-tlds", "gambling", "encrypted-dns", "malware", "ads"])
def test_a_list_of_ours_that_came_out_empty_would_be_found(
    shipped: Configuration, suffixes: Suffixes, missing: str
) -> None:
    left = [each for each in own_inputs(shipped) if each.source.id != f"curated-{missing}"]
    hits = probe(shipped.policy, table_of(suffixes, left), shipped.probes, now=0)
    assert {hit.kind for hit in hits} == {"block"}
    assert {hit.categories for hit in hits} == {(missing.removesuffix("-tlds"),)}


# ------------------------------------------------------------------------------- what lists have really done to schools


@pytest.mark.parametrize(
    ("category", "name", "felt_by"),
    [
        pytest.param("scam", "github.com", "mtcpsg", id="github-among-scams"),
        pytest.param("malware", "amazonaws.com", "mtcpsg", id="a-cloud-among-miners"),
        pytest.param("phishing", "forms.gle", "mtcpsg", id="forms-among-phishing"),
        pytest.param("malware", "onedrive.live.com", "mtcpsg", id="onedrive-among-malware"),
        pytest.param("scam", "sites.google.com", "mtcpsg", id="all-sites-for-one-page"),
        pytest.param("scam", "storage.googleapis.com", "mtcpsg", id="storage-of-google"),
        pytest.param("phishing", "classroom.google.com", "mtcpsg", id="classroom"),
        pytest.param("phishing", "login.microsoftonline.com", "mtcpsg", id="log-in-of-microsoft"),
        pytest.param("malware", "google.com", "mtcpsg", id="google"),
        pytest.param("ads", "gstatic.com", "mtcpg", id="pictures-and-scripts-of-google"),
        pytest.param("adult", "forcesafesearch.google.com", "mtcpsg", id="safe-search-itself"),
        pytest.param("games", "gravatar.com", "mtcpg", id="pictures-of-half-the-web-among-games"),
        pytest.param("games", "apps.apple.com", "mtcpg", id="the-application-store-among-games"),
        pytest.param("piracy", "archive.org", "", id="the-archive-is-opened-by-every-lesson"),
        pytest.param("scam", "archive.org", "mtcpsg", id="but-not-against-the-floor"),
        pytest.param("games", "kahoot.it", "", id="kahoot-is-opened-by-every-lesson"),
        pytest.param("games", "stackoverflow.com", "mtcpg", id="a-site-that-no-lesson-opens-by-itself"),
        pytest.param("encrypted-dns", "apple-dns.net", "mtcpsg", id="apple-among-resolvers"),
        pytest.param("scam", "raw.githubusercontent.com", "mtcpsg", id="the-lists-own-host"),
        pytest.param("scam", "vietcombank.com.vn", "mtcpsg", id="a-bank"),
        pytest.param("scam", "zalo.me", "mtcpsg", id="zalo-among-scams"),
        pytest.param("chat", "zalo.me", "", id="zalo-among-messengers-is-meant"),
        pytest.param("piracy", "mediafire.com", "", id="file-sharing-among-pirates-is-meant"),
        pytest.param("drugs", "talktofrank.com", "mtcpg", id="help-with-drugs-among-drugs"),
        pytest.param("adult", "plannedparenthood.org", "mtcpsg", id="health-among-adult-sites"),
        pytest.param("malware", "tryhackme.com", "mtcpsg", id="exercises-in-security-among-malware"),
        pytest.param("scam", "moet.gov.vn", "", id="must-allow-stands-above-every-list"),
    ],
)
def test_a_list_that_does_this_is_found(
    shipped: Configuration, suffixes: Suffixes, category: str, name: str, felt_by: str
) -> None:
    poisoned = Source("poisoned", "poisoned", "https://lists.example/x", "domains", category, "MIT")
    table = table_of(suffixes, [*own_inputs(shipped), Input(poisoned, lambda: [f"{name}\n".encode()], list_time=0)])
    hits = probe(shipped.policy, table, shipped.probes, now=0)
    assert {hit.sources for hit in hits} == ({("poisoned",)} if felt_by else set())
    felt = {tier for hit in hits if hit.name.removeprefix("*.") == name for tier in hit.tiers}
    assert "".join(letter for tier, letter in zip(TIERS, LETTERS, strict=True) if tier in felt) == felt_by


# --------------------------------------------------------------------------------------------------- how it is written


def test_every_category_begins_with_its_canary(shipped: Configuration) -> None:
    first = {sentinels.category: sentinels.names[0] for sentinels in shipped.probes.must_block}
    assert first == {c.id: f"{c.id}.canary.filterd.internal" for c in shipped.policy.categories}


def test_every_name_that_must_be_blocked_is_in_a_list_that_ships(shipped: Configuration) -> None:
    for sentinels in shipped.probes.must_block:
        own = [s for s in shipped.sources if s.category == sentinels.category and s.url.startswith("file:")]
        rules = [rule for s in own if s.format == "domains" for rule in curated(s.id.removeprefix("curated-"))]
        assert not [name for name in sentinels.names if not any(covers(rule, name) for rule in rules)]


def test_there_are_enough_names_to_judge_by(shipped: Configuration) -> None:
    probes = shipped.probes
    assert sum(len(group.names) for group in probes.must_resolve) > 600
    assert sum(len(group.names) for group in probes.quality) > 150


def test_no_name_of_what_tiers_close_on_purpose_must_resolve(policy: Policy, shipped: Configuration) -> None:
    """But for those of Zalo, whose group says `unless`, and those that a learning service opens by name."""
    closed = {rule for s in policy.services if s.category is not None for rule in s.names}
    opened = {rule for s in policy.services if s.category is None for rule in s.names}
    opened |= {mode.target for engine in policy.engines for mode in engine.modes if mode.target}
    asked = [name for group in shipped.probes.must_resolve if not group.unless for name in group.names]
    assert not [name for name in asked if closed & rules_on(name) and not opened & rules_on(name)]


def rules_on(name: str) -> set[str]:
    """All rules of a policy that would cover a name."""
    return {name, f"={name}", *parents(name)}


def test_groups_that_say_unless_are_few(shipped: Configuration) -> None:
    assert {group.id: group.unless for group in shipped.probes.must_resolve if group.unless} == {
        "zalo": ("chat", "social"),
        "file-sharing": ("piracy",),
    }


@pytest.mark.parametrize("kind", ["must_resolve", "quality"])
def test_names_are_hosts_and_no_top_level_domains(shipped: Configuration, kind: str) -> None:
    groups = getattr(shipped.probes, kind)
    assert not [name for group in groups for name in group.names if "." not in name or names.normal(name) != name]
