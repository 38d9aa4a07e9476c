"""The exceptions: few, all of one family, each caught by the modules that its docstring names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import filterd
from filterd import errors
from filterd.errors import ConfigError, FilterdError, Problem

PACKAGE = Path(filterd.__file__).parent
FAMILY = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FilterdError)]


def caught_by(kind: type[FilterdError]) -> set[str]:
    """Modules with an `except` that names it, as `core.forwarder`."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler) and node.type is not None:
                named = {part.id for part in ast.walk(node.type) if isinstance(part, ast.Name)}
                if kind.__name__ in named:
                    found.add(".".join(path.relative_to(PACKAGE).with_suffix("").parts))
    return found


def test_there_are_few() -> None:
    assert len(FAMILY) <= 9


@pytest.mark.parametrize("kind", FAMILY, ids=lambda kind: kind.__name__)
def test_somebody_catches_it_and_the_docstring_says_who(kind: type[FilterdError]) -> None:
    doc = kind.__doc__ or ""
    named = re.findall(r"`([a-z_.]+)`", doc[doc.index("Caught by") :])
    catchers = caught_by(kind)
    assert named
    for module in named:
        assert any(f"{catcher}.".startswith(f"{module}.") for catcher in catchers), f"{module} does not catch it"


def test_a_mistake_says_where_and_what() -> None:
    problem = Problem("policies/classes.yaml:14 classrooms[2].tier", "'thsc' is not a tier; did you mean 'thcs'?")
    assert str(problem) == "policies/classes.yaml:14 classrooms[2].tier: 'thsc' is not a tier; did you mean 'thcs'?"


def test_all_mistakes_of_a_configuration_come_at_once() -> None:
    error = ConfigError([Problem("a.yaml:1", "is wrong"), Problem("b.yaml:2", "is wrong too")])
    assert str(error).splitlines() == ["a.yaml:1: is wrong", "b.yaml:2: is wrong too"]
    assert [problem.where for problem in error.problems] == ["a.yaml:1", "b.yaml:2"]
