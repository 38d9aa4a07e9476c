"""Small JSON files beside a list: written and read back, and nothing else believed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from filterd.core.updates import Figures, Outcome, Why
from filterd.store.listmeta import Frozen, Held, Memory, Meta

META = Meta("https://lists.example/x", '"a"', "Sat, 21 Nov 2026 00:00:00 GMT", 1, 2, 3, 4, "ab", Figures("hosts", 5, 4))
VALUES = [
    pytest.param(META, id="meta"),
    pytest.param(Meta("https://lists.example/x"), id="meta of a copy nobody looked at"),
    pytest.param(Held(META, Why.SHRUNK, "ít hơn", 9), id="held"),
    pytest.param(Frozen(1, "lan", "exam week"), id="frozen"),
    pytest.param(Memory(), id="nothing remembered"),
    pytest.param(Memory(1, 2, 3, 4, 5, Outcome.FAILED, Why.TIMEOUT, "no answer"), id="memory"),
]


@pytest.mark.parametrize("value", VALUES)
def test_what_is_written_reads_back_the_same(value: Any) -> None:
    assert type(value).from_json(json.loads(json.dumps(value.to_json()))) == value


@pytest.mark.parametrize("value", VALUES)
def test_keys_of_a_later_version_are_left_alone(value: Any) -> None:
    assert type(value).from_json({**value.to_json(), "new": 1}) == value


@pytest.mark.parametrize("value", VALUES)
def test_a_field_that_is_missing_or_of_another_kind_spoils_all(value: Any) -> None:
    sound = value.to_json()
    for name in sound:
        if name == "figures":
            continue
        for spoilt in ({**sound, name: [1]}, {**sound, name: True}, {k: v for k, v in sound.items() if k != name}):
            with pytest.raises(ValueError, match=name):
                type(value).from_json(spoilt)


@pytest.mark.parametrize("found", [None, [], "x", 7, {}])
@pytest.mark.parametrize("kind", [Meta, Held, Frozen, Memory])
def test_what_is_no_such_object_is_refused(kind: Any, found: object) -> None:
    with pytest.raises(ValueError, match="not"):
        kind.from_json(found)


@pytest.mark.parametrize("figures", [[], "x", {}, {"format": "hosts", "lines": -1, "entries": 1}])
def test_figures_that_are_none_spoil_the_meta(figures: object) -> None:
    with pytest.raises(ValueError, match="figures"):
        Meta.from_json({**META.to_json(), "figures": figures})


def test_words_nobody_knows_are_refused() -> None:
    with pytest.raises(ValueError, match="eaten"):
        Memory.from_json({**Memory().to_json(), "outcome": "eaten"})
    with pytest.raises(ValueError, match="hunger"):
        Held.from_json({**Held(META, Why.SHRUNK, "", 1).to_json(), "why": "hunger"})
