from __future__ import annotations

import json

import pytest

from filterd.core.verdict import Action, Reason, Verdict


def test_actions_and_reasons_are_the_settled_ones():
    assert {a.value for a in Action} == {"allow", "block", "rewrite"}
    assert {r.value for r in Reason} == {
        "authority", "must_allow", "floor", "school_block", "override", "profile", "allow_list_only", "school_allow",
        "category", "safe_search", "bypass", "special_use", "rebinding", "unknown_client", "default",
    }  # fmt: skip


@pytest.mark.parametrize("value", [*Action, *Reason], ids=str)
def test_an_enum_is_its_text_as_label_key_and_json(value):
    assert f"{value}" == value.value
    assert {value.value: 1}[value] == 1
    assert json.loads(json.dumps(value)) == value.value


def test_a_verdict_without_evidence_is_plain():
    verdict = Verdict(Action.ALLOW, Reason.DEFAULT, 10, 60)
    assert (verdict.category, verdict.rule, verdict.observed) == (None, None, False)
