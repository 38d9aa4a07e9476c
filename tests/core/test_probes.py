"""The values of probes."""

from __future__ import annotations

from filterd.core.policy import Text
from filterd.core.probes import Group, each_once

TEXT = Text("Một", "One")


def test_a_name_of_several_groups_comes_once_with_the_first() -> None:
    groups = Group("one", TEXT, ("a.example", "b.example")), Group("two", TEXT, ("b.example", "c.example"))
    assert [(name, group.id) for name, group in each_once(groups)] == [
        ("a.example", "one"),
        ("b.example", "one"),
        ("c.example", "two"),
    ]
