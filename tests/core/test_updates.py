"""The words of the update: figures go to a file and come back, or are refused."""

from __future__ import annotations

import json

import pytest

from filterd.core.updates import Figures, Judgement, Outcome, Why

FIGURES = Figures("hosts", 120, 100, exceptions=2, refused=10, malformed=3, declared=101)


def test_figures_come_back_as_they_went():
    assert Figures.from_json(json.loads(json.dumps(FIGURES.to_json()))) == FIGURES
    assert Figures.from_json({"format": "hosts", "lines": 1, "entries": 1}) == Figures("hosts", 1, 1)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"entries": -1}, id="less than nothing"),
        pytest.param({"entries": "many"}, id="words"),
        pytest.param({"format": 7}, id="a format that is no word"),
        pytest.param({"colour": "red"}, id="a key of another version"),
        pytest.param({"declared": 1.5}, id="half an entry"),
    ],
)
def test_figures_of_another_shape_are_refused(change):
    with pytest.raises(ValueError, match="not the figures of a list"):
        Figures.from_json({**FIGURES.to_json(), **change})


def test_outcomes_and_reasons_are_words_of_their_own():
    assert len(set(Outcome)) == len(Outcome)
    assert all(word.value == word.value.lower() and " " not in word.value for word in (*Outcome, *Why))
    assert Judgement(Outcome.TAKEN).why is Why.NONE
