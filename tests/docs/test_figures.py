"""Figures in the pages are those of the code."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from filterd.config import units
from filterd.config.schema_school import LimitsModel
from filterd.core import matrix
from filterd.core.policy import Limits
from filterd.core.verdict import Reason
from filterd.dns import parent
from filterd.live.explain import STEPS
from tests.docs.markdown import ROOT, rows

ARCHITECTURE = ROOT / "docs" / "architecture.md"
LIMITS = ROOT / "docs" / "limits.md"
POLICY = ROOT / "docs" / "policy.md"
FLOW = ROOT / "docs" / "flow.svg"


def in_plain_units(text: str) -> int:
    if text.isdigit():
        return int(text)
    return units.size(text) if text.endswith("B") else units.duration(text)


def test_limits_page_lists_every_limit_with_its_default() -> None:
    documented = {row[0]: in_plain_units(row[1]) for row in rows(LIMITS, "| key of `limits` |")}
    assert documented == dict(LimitsModel().model_dump())


def test_defaults_of_the_yaml_are_those_of_the_code() -> None:
    assert list(LimitsModel().model_dump().values()) == [getattr(Limits(), field) for field in Limits.__slots__]


def test_policy_page_gives_the_ttls() -> None:
    documented = [int(row[1].removesuffix(" s")) for row in rows(POLICY, "| who and what |")]
    assert documented == [matrix.BLOCK_TTL_S, matrix.TOGGLED_TTL_S, matrix.PUPIL_TTL_S, matrix.STAFF_TTL_S]


def test_policy_page_lists_every_step_of_the_decision_in_order() -> None:
    table = rows(POLICY, "| step |")
    assert [int(row[0]) for row in table] == sorted(STEPS)
    named = {reason for row in table for reason in re.findall(r"\w+", row[3])}
    not_steps = {Reason.SAFE_SEARCH, Reason.REBINDING, Reason.UNKNOWN_CLIENT}
    assert named == {str(reason) for reason in Reason} - not_steps


@pytest.mark.parametrize(("file", "seconds"), [("tables/", parent.STATE_POLL_S), ("policies/", parent.CONFIG_POLL_S)])
def test_picture_gives_the_polling_intervals(file: str, seconds: float) -> None:
    texts = [element.text or "" for element in ElementTree.parse(FLOW).iter("{http://www.w3.org/2000/svg}text")]
    at = next(i for i, text in enumerate(texts) if text.startswith(file))
    assert f"every {seconds * 1000:.0f} ms" in texts[at + 1]


def test_architecture_names_files_that_exist() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    named = re.findall(r"`((?:core|config|store|metrics|live|update|dns|cli)/[\w/*]+\.py)`", text)
    assert named
    assert [name for name in named if not list((ROOT / "filterd").glob(name))] == []
