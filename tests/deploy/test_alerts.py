"""deploy/alerts.yml as Prometheus reads it: every rule fires when it should, and stays silent on a healthy school."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ALERTS = Path(__file__).parents[2] / "deploy" / "alerts.yml"
DAY_S = 86400
SCHOOL = 'job="filterd", instance="school-1"'

# Metric with its own labels, and its value, on a box where all is well; the test's clock begins at 0.
HEALTHY = {
    'filterd_source_held{source="games"}': 0,
    'filterd_source_last_attempt_timestamp_seconds{source="games"}': 0,
    'filterd_source_last_success_timestamp_seconds{source="games"}': 0,
    'filterd_source_last_change_timestamp_seconds{source="games"}': 0,
    'filterd_source_entries{source="games"}': 5,
    "filterd_update_last_run_timestamp_seconds{}": 0,
    'filterd_update_result{result="failed"}': 0,
    'filterd_update_result{result="kept"}': 1,
    "filterd_update_clock_trusted{}": 1,
    "filterd_build_info{}": 1,
    "filterd_table_names{}": 1000,
    "filterd_table_age_seconds{}": 3600,
    "filterd_table_pinned{}": 0,
    'filterd_table_wrong_names{kind="resolve"}': 0,
    'filterd_input_fault{input="table"}': 0,
}
GAMES = {"source": "games"}
CASES: list[tuple[str, dict[str, int | None], str, dict[str, str]]] = [
    ("FilterdListHeld", {'filterd_source_held{source="games"}': 1}, "15m", GAMES),
    ("FilterdListFails", {'filterd_source_last_success_timestamp_seconds{source="games"}': -7 * DAY_S}, "2h", GAMES),
    ("FilterdListStale", {'filterd_source_last_change_timestamp_seconds{source="games"}': -90 * DAY_S}, "2h", GAMES),
    ("FilterdListMissing", {'filterd_source_entries{source="games"}': None}, "25h", GAMES),
    ("FilterdNoUpdate", {"filterd_update_last_run_timestamp_seconds{}": -3 * DAY_S}, "2h", {}),
    ("FilterdNoUpdate", {"filterd_update_last_run_timestamp_seconds{}": None}, "65m", {}),
    ("FilterdUpdateFailed", {'filterd_update_result{result="failed"}': 1}, "15m", {"result": "failed"}),
    ("FilterdClockNotSet", {"filterd_update_clock_trusted{}": 0}, "35m", {}),
    ("FilterdNoTable", {"filterd_table_names{}": 0}, "20m", {}),
    ("FilterdTableOld", {"filterd_table_age_seconds{}": 8 * DAY_S}, "65m", {}),
    ("FilterdTablePinned", {"filterd_table_pinned{}": 1}, "25h", {}),
    ("FilterdTableWrong", {'filterd_table_wrong_names{kind="resolve"}': 2}, "15m", {"kind": "resolve"}),
    ("FilterdInputFault", {'filterd_input_fault{input="table"}': 1}, "15m", {"input": "table"}),
]
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]
pytestmark = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed"
)


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", str(ALERTS)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_is_tried() -> None:
    assert {name for name, *_ in CASES} == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize(("name", "changes", "at", "labels"), CASES, ids=[f"{case[0]}-{case[2]}" for case in CASES])
def test_rule_fires(name: str, changes: dict[str, int | None], at: str, labels: dict[str, str], tmp_path: Path) -> None:
    severity = next(rule["labels"]["severity"] for rule in RULES if rule["alert"] == name)
    school = {"alertname": name, "job": "filterd", "instance": "school-1", "severity": severity}
    assert fired(tmp_path, {**HEALTHY, **changes}, name, at) == [{**school, **labels}]


@pytest.mark.parametrize("name", sorted({name for name, *_ in CASES}))
def test_a_healthy_school_is_silent(name: str, tmp_path: Path) -> None:
    assert fired(tmp_path, HEALTHY, name, "26h") == []


def fired(tmp_path: Path, values: Mapping[str, int | None], name: str, at: str) -> list[dict[str, str]]:
    """The labels of what an alert fires for at one moment: promtool shows what it got where nothing was expected."""
    series = [
        {"series": metric.replace("{", f"{{{SCHOOL},").replace(",}", "}"), "values": f"{value}x400"}
        for metric, value in values.items()
        if value is not None
    ]
    test = {
        "interval": "5m",
        "input_series": series,
        "alert_rule_test": [{"eval_time": at, "alertname": name, "exp_alerts": []}],
    }
    path = tmp_path / "test.json"
    path.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "5m", "tests": [test]}))
    done = subprocess.run(["promtool", "test", "rules", str(path)], capture_output=True, text=True, timeout=60)
    said = done.stdout + done.stderr
    assert "SUCCESS" in said or "got:[" in said, said
    found = re.findall(r"Labels:\{(.*)\}", said.partition("got:[")[2])
    return [dict(re.findall(r'(\w+)="([^"]*)"', labels)) for labels in found]
