"""docs/conformance.md: no row is missing, and every test it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.docs.markdown import ROOT, prose

PAGE = ROOT / "docs" / "conformance.md"
REQUIRED = 51


def table() -> list[list[str]]:
    """The cells of every row of every table of the page."""
    lines = [line for line in prose(PAGE).splitlines() if re.match(r"\| \d+ \|", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


ROWS = table()


def test_every_row_is_there_once_and_in_order() -> None:
    numbers = [int(row[0]) for row in ROWS]
    assert numbers == list(range(1, len(ROWS) + 1))
    assert len(numbers) > REQUIRED


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_says_what_by_which_rule_and_names_tests_that_exist(row: list[str]) -> None:
    _, behaviour, rule, tests = row
    assert behaviour
    assert re.match(r"\d{4}|-$", rule), "the number of an RFC, where there is one"
    named = re.findall(r"`([^`]+)`", tests)
    assert named
    for each in named:
        path, _, name = each.partition("::")
        assert name in functions(path), f"{path} has no {name}"


def test_what_a_conformance_test_calls_a_row_is_a_row_that_names_its_file() -> None:
    for path in sorted((ROOT / "tests/conformance").glob("test_rows_*.py")):
        for name in functions(f"conformance/{path.name}"):
            for number in re.findall(r"row_(\d+)_", name):
                assert f"conformance/{path.name}" in ROWS[int(number) - 1][3], name


@cache
def functions(path: str) -> frozenset[str]:
    """The names of the tests in a file below tests/."""
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )
