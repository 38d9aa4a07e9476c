"""What ships in policies/: promises about the content, beyond what the schema can check.

The files are read as the box reads them, through `config.load`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest

from filterd.config.load import Configuration
from filterd.core.policy import Policy, Text
from tests.policies.shipped import PUPILS, TIERS, covers, profile, service

NEVER_FOR_PUPILS = {
    "adult", "gambling", "violence", "drugs", "self-harm", "extremism", "dating", "piracy", "vpn-proxy",
    "encrypted-dns", "dynamic-dns",
}  # fmt: skip
SAYABLE = (
    "youtube", "tiktok", "facebook", "zalo", "messenger", "instagram", "discord", "roblox", "garena", "free-fire",
    "steam", "netflix", "chatgpt", "gemini", "coc-coc",
)  # fmt: skip
LEARNING = (
    "olm", "vioedu", "azota", "violympic", "ioe", "shub", "k12online", "vnedu", "smas", "google-classroom",
    "microsoft-teams", "zoom", "khan-academy", "kahoot", "quizizz", "geogebra", "scratch",
)  # fmt: skip
SHARED_HOSTS = (
    "akamai.net", "akamaihd.net", "akamaized.net", "edgekey.net", "edgesuite.net", "cloudfront.net", "amazonaws.com",
    "cloudflare.com", "cloudflare.net", "fastly.net", "fastlylb.net", "azureedge.net", "azurefd.net", "windows.net",
    "trafficmanager.net", "googleapis.com", "gstatic.com", "googleusercontent.com", "ggpht.com", "google.com",
    "appspot.com", "firebaseio.com", "jsdelivr.net", "unpkg.com", "b-cdn.net", "llnwi.net", "hwcdn.net",
    "digitaloceanspaces.com", "myqcloud.com", "alicdn.com", "byteoversea.com", "ibytedtos.com", "ibyteimg.com",
    "zadn.vn", "zdn.vn", "microsoft.com", "live.com", "cloud.microsoft",
)  # fmt: skip
KNOWN_PHONES = {"tong-dai-111": "111", "cong-an-113": "113", "cap-cuu-115": "115"}
VIETNAMESE = re.compile("[àáảãạăằắẳẵặâầấẩẫậèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵđ]", re.IGNORECASE)


# ---------------------------------------------------------------------------------------------------- the demo school


def test_the_demo_school_touches_loopback_only(policy: Policy) -> None:
    loopback = re.compile(r"127\.|\[?::1")
    subnets = [subnet for place in policy.places for subnet in place.subnets]
    assert all(loopback.match(text) for text in (*policy.listen, policy.metrics or "127.", *policy.networks, *subnets))
    assert policy.unknown_client_tier == "tieu-hoc"


@pytest.mark.parametrize(
    ("place", "tier"), [("3a", "tieu-hoc"), ("7a", "thcs"), ("11b", "thpt"), ("staff-room", "staff")]
)
def test_each_demo_place_has_its_tier(policy: Policy, place: str, tier: str) -> None:
    assert {p.id: p.tier for p in policy.places}[place] == tier


# ----------------------------------------------------------------------------------------------- tiers and categories


def test_all_tiers_ship_in_their_order(policy: Policy) -> None:
    assert tuple(tier.id for tier in policy.tiers) == TIERS


@pytest.mark.parametrize("tier", PUPILS)
def test_pupils_never_get_unsafe_categories(policy: Policy, tier: str) -> None:
    found = next(t for t in policy.tiers if t.id == tier)
    assert found.pupils
    assert not NEVER_FOR_PUPILS - set(found.block)


def test_older_pupils_are_never_held_tighter_than_younger_ones(policy: Policy) -> None:
    closed = [set(tier.block) for tier in policy.tiers if tier.id in PUPILS]
    assert all(older <= younger for younger, older in itertools.pairwise(closed))


def test_tiers_do_not_repeat_the_floor(policy: Policy) -> None:
    assert not any(set(tier.block) & set(policy.floor.categories) for tier in policy.tiers)


def test_the_floor_holds_what_nobody_may_open(policy: Policy) -> None:
    assert {"child-abuse", "illegal", "malware"} <= set(policy.floor.categories)


def test_every_category_is_closed_somewhere_and_every_closed_one_exists(policy: Policy) -> None:
    closed = {category for tier in policy.tiers for category in tier.block} | set(policy.floor.categories)
    assert closed == {category.id for category in policy.categories}


def test_encrypted_dns_is_answered_as_such_where_lists_call_it_a_bypass_too(policy: Policy) -> None:
    """Lists of VPNs and proxies name the DoH servers too; browsers need NXDOMAIN from those, not an address."""
    order = [category.id for category in policy.categories]
    assert order.index("encrypted-dns") < order.index("vpn-proxy")
    assert next(c.answer for c in policy.categories if c.id == "encrypted-dns") == "nxdomain"


def test_no_profile_opens_what_is_unsafe(policy: Policy) -> None:
    unsafe = NEVER_FOR_PUPILS | set(policy.floor.categories)
    assert not [p.id for p in policy.profiles if unsafe & set(p.allow.categories)]


def texts(shipped: Configuration) -> Iterator[tuple[str, Text]]:
    policy = shipped.policy
    yield from ((f"category {c.id} text", c.text) for c in policy.categories)
    yield from ((f"category {c.id}", c.name) for c in policy.categories)
    yield from ((f"tier {t.id}", t.name) for t in policy.tiers)
    yield from ((f"profile {p.id}", p.name) for p in policy.profiles)


def test_vietnamese_texts_have_accents_and_are_no_copy_of_the_english(shipped: Configuration) -> None:
    wrong = [where for where, text in texts(shipped) if not VIETNAMESE.search(text.vi) or text.vi == text.en]
    assert not wrong


def test_english_texts_are_english(shipped: Configuration) -> None:
    assert not [where for where, text in texts(shipped) if VIETNAMESE.search(text.en)]


def test_pupils_are_given_one_short_explanation(policy: Policy) -> None:
    assert not [c.id for c in policy.categories if not 20 < len(c.text.vi) < 240]


def test_self_harm_points_to_help(policy: Policy) -> None:
    text = next(c.text for c in policy.categories if c.id == "self-harm")
    assert "111" in text.vi and "111" in text.en


# ------------------------------------------------------------------------------------------------ services and bundles


@pytest.mark.parametrize("name", SAYABLE)
def test_services_teachers_name_are_there(policy: Policy, name: str) -> None:
    assert service(policy, name).names


@pytest.mark.parametrize("name", LEARNING)
def test_learning_services_belong_to_no_category(policy: Policy, name: str) -> None:
    assert service(policy, name).names and service(policy, name).category is None


@pytest.mark.parametrize("shared", SHARED_HOSTS)
def test_no_service_takes_in_a_shared_host(policy: Policy, shared: str) -> None:
    takers = [s.id for s in policy.services if any(covers(rule, shared) for rule in s.names)]
    assert not takers


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        pytest.param("youtube", "www.youtube.com", id="youtube-site"),
        pytest.param("youtube", "rr3---sn-8qj-nbo6.googlevideo.com", id="youtube-video"),
        pytest.param("youtube", "youtubei.googleapis.com", id="youtube-app"),
        pytest.param("tiktok", "v16-webapp-prime.tiktok.com", id="tiktok"),
        pytest.param("facebook", "static.xx.fbcdn.net", id="facebook-pictures"),
        pytest.param("zalo", "chat.zalo.me", id="zalo"),
        pytest.param("free-fire", "ff.garena.com", id="free-fire"),
        pytest.param("garena", "lienquan.garena.vn", id="garena"),
        pytest.param("chatgpt", "cdn.oaistatic.com", id="chatgpt"),
    ],
)
def test_a_service_knows_the_names_it_needs(policy: Policy, name: str, asked: str) -> None:
    assert any(covers(rule, asked) for rule in service(policy, name).names)


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        pytest.param("exam", ["olm.vn", "azota.vn", "shub.edu.vn", "ioe.vn", "accounts.google.com"], id="vietnamese"),
        pytest.param(
            "exam-google",
            ["accounts.google.com", "classroom.google.com", "docs.google.com", "ssl.gstatic.com", "forms.gle"],
            id="google",
        ),
        pytest.param(
            "exam-microsoft",
            ["login.microsoftonline.com", "login.live.com", "aadcdn.msauth.net", "teams.microsoft.com", "office.com"],
            id="microsoft",
        ),
    ],
)
def test_an_exam_can_log_in_and_reach_its_site(policy: Policy, name: str, needed: list[str]) -> None:
    exam = profile(policy, name)
    opened = [rule for s in exam.allow.services for rule in service(policy, s).names]
    assert exam.allow_list_only
    assert [n for n in needed if not any(covers(rule, n) for rule in opened)] == []


@pytest.mark.parametrize("name", ["exam", "exam-google", "exam-microsoft", "offline"])
@pytest.mark.parametrize(
    "asked",
    ["www.google.com", "gemini.google.com", "chatgpt.com", "www.youtube.com", "facebook.com", "copilot.microsoft.com"],
)
def test_an_exam_opens_neither_search_nor_ai_nor_video(policy: Policy, name: str, asked: str) -> None:
    opened = [rule for s in profile(policy, name).allow.services for rule in service(policy, s).names]
    assert not [rule for rule in opened if covers(rule, asked)]


@pytest.mark.parametrize("name", ["learning", "research", "video", "free", "ai-lesson"])
def test_ordinary_profiles_keep_learning_sites_open_whatever_lists_say(policy: Policy, name: str) -> None:
    assert set(LEARNING) <= set(profile(policy, name).allow.services)


def test_youtube_is_opened_by_the_video_lesson(policy: Policy) -> None:
    assert "youtube" in profile(policy, "video").allow.services
    assert "youtube" not in profile(policy, "learning").allow.services


# ------------------------------------------------------------------------------------------------------ the must-allow


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param("moet.gov.vn", id="education"),
        pytest.param("tongdai111.vn", id="hotline-111"),
        pytest.param("www.vn-cop.vn", id="vn-cop"),
        pytest.param("ocsp.digicert.com", id="ocsp"),
        pytest.param("r11.c.lencr.org", id="crl"),
        pytest.param("o.pki.goog", id="google-pki"),
        pytest.param("vn.pool.ntp.org", id="ntp"),
        pytest.param("time.windows.com", id="windows-time"),
        pytest.param("connectivitycheck.gstatic.com", id="android"),
        pytest.param("captive.apple.com", id="apple"),
        pytest.param("www.msftconnecttest.com", id="windows"),
        pytest.param("detectportal.firefox.com", id="firefox"),
    ],
)
def test_what_must_never_break_is_always_allowed(policy: Policy, asked: str) -> None:
    assert any(covers(rule, asked) for rule in policy.floor.must_allow)


def test_nothing_closed_by_category_hides_in_the_must_allow(policy: Policy) -> None:
    closed = [rule for s in policy.services if s.category for rule in s.names]
    assert not [
        (must, rule) for must in policy.floor.must_allow for rule in closed if covers(must, rule) or covers(rule, must)
    ]


def test_the_list_hosts_are_not_opened_to_everybody(policy: Policy) -> None:
    assert not [rule for rule in policy.floor.must_allow if covers(rule, "raw.githubusercontent.com")]


def test_the_place_for_abuse_lists_is_locked_and_says_it_is_empty(shipped: Configuration) -> None:
    slot = shipped.models.floor.slots[0]
    assert slot.locked and slot.category == "child-abuse"
    assert "trống" in slot.text.vi and "empty" in slot.text.en


# ---------------------------------------------------------------------------------------------------------- contacts


def test_only_known_phone_numbers_are_printed(shipped: Configuration) -> None:
    found = {c.id: c.phone for c in shipped.models.contacts.contacts if c.phone}
    assert found == KNOWN_PHONES


def test_what_nobody_checked_says_so(shipped: Configuration) -> None:
    unchecked = {c.id for c in shipped.models.contacts.contacts if c.verified_on is None}
    assert "vn-cop" in unchecked and "tong-dai-111" not in unchecked
    placeholders = [c for c in shipped.models.contacts.contacts if c.scope != "national"]
    assert placeholders and all(c.id in unchecked and "chưa điền" in c.name.vi for c in placeholders)
