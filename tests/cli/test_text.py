"""Words for a terminal of 80 columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterd.cli import text
from filterd.cli.options import default_config_dir


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (-5, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (200000, "2 d")],
)
def test_an_age_is_in_its_largest_unit(seconds: float, shown: str) -> None:
    assert text.age(seconds) == shown


@pytest.mark.parametrize(
    ("new", "old", "shown"),
    [(102, 100, "+2.0 %"), (81, 100, "-19.0 %"), (5, 5, "as before"), (5, 0, "new"), (0, 0, "as before")],
)
def test_a_share_has_its_sign(new: int, old: int, shown: str) -> None:
    assert text.share(new, old) == shown


def test_a_paragraph_fits_and_keeps_what_can_be_copied() -> None:
    path = "/var/lib/filterd/lists/" + "long-name-" * 4
    found = text.wrapped(f"{'word ' * 13}{path} {'x' * 200}")
    assert path in found
    assert max(map(len, found.splitlines())) <= 80


def test_a_line_is_cut_and_says_so() -> None:
    assert text.cut("x" * 80) == "x" * 80
    assert text.cut("x" * 81) == "x" * 79 + "…"


def test_commands_to_copy_mean_the_same_school() -> None:
    assert text.flags(default_config_dir(), None) == ""
    assert text.flags(Path("my school"), Path("state")) == " -c 'my school' --state-dir state"
