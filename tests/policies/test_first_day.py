"""What the shipped files come to: the verdicts of the first day, with the curated lists and no other."""

from __future__ import annotations

import dataclasses
from functools import partial

import pytest

from filterd.config.load import Configuration
from filterd.core import names
from filterd.core.compiler import Input, compile_table
from filterd.core.decide import decide
from filterd.core.overrides import Overrides
from filterd.core.policy import Place, Policy
from filterd.core.rules.suffixes import Suffixes
from filterd.core.snapshot import Snapshot
from filterd.core.source import Source
from filterd.core.table import Table
from filterd.core.verdict import Action, Verdict
from filterd.store import tables
from tests.policies.shipped import BLOCKLISTS, PUPILS, TIERS


@pytest.fixture(scope="module")
def shipped_table(shipped: Configuration, suffixes: Suffixes, tmp_path_factory: pytest.TempPathFactory) -> Table:
    """The table a box has before its first download: the curated lists alone."""
    state = tmp_path_factory.mktemp("state")
    own = [s for s in shipped.sources if s.url.startswith("file:")]
    inputs = [Input(s, partial(curated_bytes, s), list_time=0) for s in own]
    generation = tables.publish(state, compile_table(inputs, suffixes), built_at=0)
    return tables.open_table(tables.verify(state, generation))


def curated_bytes(source: Source) -> list[bytes]:
    return [(BLOCKLISTS / source.url.removeprefix("file:")).read_bytes()]


def verdict(policy: Policy, table: Table, tier: str, doing: str, asked: str) -> Verdict:
    """What a class of this tier, in this profile, is told about a name."""
    place = Place(id="room", name="room", tier=tier, profile=doing, subnets=("127.0.1.0/24",))
    snapshot = Snapshot(dataclasses.replace(policy, places=(place,)), table, Overrides(), now=0)
    return decide(snapshot, snapshot.matrix.by_place[0], names.key_of_text(asked))


def told(policy: Policy, table: Table, doing: str, asked: str, tiers: tuple[str, ...] = TIERS) -> str:
    """For each tier one letter: b is blocked, a is open, be it by way of safe search."""
    verdicts = [verdict(policy, table, tier, doing, asked) for tier in tiers]
    return "".join("b" if found.action is Action.BLOCK else "a" for found in verdicts)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        # mam-non, tieu-hoc, thcs, thpt, staff, guest
        pytest.param("www.google.com.vn", "aaaaaa", id="search"),
        pytest.param("vi.wikipedia.org", "aaaaaa", id="wikipedia"),
        pytest.param("classroom.google.com", "aaaaaa", id="classroom"),
        pytest.param("accounts.youtube.com", "aaaaaa", id="google-log-in-cookie"),
        pytest.param("education.minecraft.net", "aaaaaa", id="minecraft-education"),
        pytest.param("vio.edu.vn", "aaaaaa", id="vioedu"),
        pytest.param("vnexpress.net", "aaaaaa", id="press"),
        pytest.param("moet.gov.vn", "aaaaaa", id="ministry"),
        pytest.param("tongdai111.vn", "aaaaaa", id="hotline"),
        pytest.param("chat.zalo.me", "bbbaab", id="zalo"),
        pytest.param("www.youtube.com", "bbbaab", id="youtube"),
        pytest.param("chatgpt.com", "bbbaab", id="ai"),
        pytest.param("shopee.vn", "bbaaaa", id="shopping"),
        pytest.param("www.facebook.com", "bbbbab", id="facebook"),
        pytest.param("www.roblox.com", "bbbbab", id="games"),
        pytest.param("poki.com", "bbbbab", id="browser-games"),
        pytest.param("nordvpn.com", "bbbbab", id="vpn"),
        pytest.param("doubleclick.net", "bbbbab", id="ads"),
        pytest.param("dns.google", "bbbbbb", id="doh"),
        pytest.param("fb88.com", "bbbbbb", id="gambling"),
        pytest.param("whatever.casino", "bbbbbb", id="gambling-tld"),
        pytest.param("whatever.xxx", "bbbbbb", id="adult-tld"),
        pytest.param("malware.testcategory.com", "bbbbbb", id="floor"),
        # Ways around the filter, and what lies beside them.
        pytest.param("home.duckdns.org", "bbbbab", id="dynamic-dns"),
        pytest.param("abc.trycloudflare.com", "bbbbab", id="tunnel"),
        pytest.param("203-0-113-7.sslip.io", "bbbbab", id="address-in-a-name"),
        pytest.param("www.qwant.com", "bbbaab", id="search-without-a-safe-mode"),
        pytest.param("coccoc.com", "bbbaab", id="coc-coc-search"),
        pytest.param("update.coccoc.com", "aaaaaa", id="coc-coc-browser"),
        pytest.param("abc123.dns.nextdns.io", "bbbbbb", id="profile-of-a-resolver"),
        pytest.param("mask-api.icloud.com", "bbbbbb", id="private-relay"),
        pytest.param("engage.cloudflareclient.com", "bbbbab", id="warp"),
        pytest.param("lessons.synology.me", "aaaaaa", id="nas-of-a-school"),
        pytest.param("pan.baidu.com", "aaaaaa", id="beside-a-closed-search"),
    ],
)
def test_a_lesson_on_the_first_day(policy: Policy, shipped_table: Table, asked: str, expected: str) -> None:
    assert told(policy, shipped_table, "learning", asked) == expected


@pytest.mark.parametrize(
    ("doing", "asked", "expected"),
    [
        pytest.param("video", "www.youtube.com", "aaaa", id="video-opens-youtube"),
        pytest.param("video", "www.netflix.com", "bbba", id="video-opens-no-films"),
        pytest.param("video", "www.facebook.com", "bbbb", id="video-opens-no-social"),
        pytest.param("research", "i.pinimg.com", "aaaa", id="research-opens-pinterest"),
        pytest.param("ai-lesson", "chatgpt.com", "aaaa", id="ai-lesson-opens-ai"),
        pytest.param("free", "www.roblox.com", "aaaa", id="break-opens-games"),
        pytest.param("free", "fb88.com", "bbbb", id="break-opens-no-gambling"),
        pytest.param("exam", "azota.vn", "aaaa", id="exam-site"),
        pytest.param("exam", "www.google.com", "bbbb", id="exam-without-search"),
        pytest.param("exam", "tongdai111.vn", "aaaa", id="exam-with-help"),
        pytest.param("exam", "vn.pool.ntp.org", "aaaa", id="exam-with-time"),
        pytest.param("offline", "olm.vn", "bbbb", id="offline"),
        pytest.param("offline", "captive.apple.com", "aaaa", id="offline-device-stays-on-the-wifi"),
    ],
)
def test_what_a_profile_changes(policy: Policy, shipped_table: Table, doing: str, asked: str, expected: str) -> None:
    assert told(policy, shipped_table, doing, asked, PUPILS) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        # mam-non, tieu-hoc, thcs, thpt, staff, guest
        pytest.param("www.google.com.vn", "on on on on - on", id="google"),
        pytest.param("www.bing.com", "on on on on - on", id="bing"),
        pytest.param("www.youtube.com", "strict strict strict moderate - strict", id="youtube"),
        pytest.param("docs.google.com", "- - - - - -", id="beside-the-search"),
    ],
)
def test_safe_search_of_each_tier_where_a_lesson_opens_the_site(
    policy: Policy, shipped_table: Table, asked: str, expected: str
) -> None:
    found = [verdict(policy, shipped_table, tier, "video", asked) for tier in TIERS]
    modes = [v.rule.rsplit(" ", 1)[-1] if v.rule and v.action is Action.REWRITE else "-" for v in found]
    assert " ".join(modes) == expected


def test_addresses_of_public_resolvers_are_in_the_table(policy: Policy, shipped_table: Table) -> None:
    assert shipped_table.has_addresses
    assert [m.category for m in shipped_table.address_matches(bytes((8, 8, 8, 8)))] == ["encrypted-dns"]
    assert not shipped_table.address_mask(bytes((216, 239, 38, 120)))


def test_every_canary_is_closed_to_primary_school(policy: Policy, shipped_table: Table) -> None:
    for category in policy.categories:
        found = verdict(policy, shipped_table, "tieu-hoc", "learning", f"{category.id}.canary.filterd.internal")
        assert (found.action, found.category) == (Action.BLOCK, category.id)
