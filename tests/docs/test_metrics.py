"""docs/metrics.md and the collector name the same metrics, types and labels; names follow Prometheus conventions."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from filterd.core.servers import PORTS
from filterd.core.updates import Outcome, Why
from filterd.core.verdict import Action, Reason
from filterd.metrics.dns import COUNTERS, GAUGES, DnsMetrics, TableState
from filterd.metrics.updates import KINDS, NO_REASON, RESULTS, state_of
from tests.docs.console import unknown_words
from tests.docs.markdown import ROOT, Block, blocks, prose, rows

PAGE = ROOT / "docs" / "metrics.md"
FORBIDDEN_LABELS = ("client", "address", "ip", "name", "domain", "qname", "host", "device", "user")
NOT_BASE_UNITS = ("ms", "milliseconds", "minutes", "hours", "days", "kb", "mb", "kib", "mib", "percent")
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed"
)
# A run of the update after which every metric has a value.
STATUS = {
    "format": 1, "outcome": "kept", "ended_at": 2, "duration_s": 1.5, "cpu_s": 0.5, "peak_bytes": 1,
    "clock_trusted": True,
    "sources": {"source-a": {"outcome": "held", "why": "shrunk", "held": True, "last_attempt": 1, "last_success": 1,
                             "last_change": 1}},
    "probe": [{"kind": "resolve", "name": "example.org"}],
    "quality": {"tiers": [{"tier": "thcs", "tried": 5, "blocked": [{"name": "example.org"}]}],
                "sources": [{"source": "source-a", "only": 1, "missed": 1}]},
}  # fmt: skip
TYPE_WORDS = ("counter", "gauge", "histogram", "summary")


@dataclass(frozen=True)
class Described:
    """One metric: by its name in the exposition, without the suffixes of a histogram."""

    kind: str
    labels: frozenset[str]
    help: str


def alerts() -> list[dict[str, Any]]:
    """Every rule of deploy/alerts.yml."""
    found = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in found["groups"] for rule in group["rules"]]


def exposition() -> str:
    """What a scrape gives once every metric has happened."""
    metrics = DnsMetrics()
    metrics.table = TableState("000001-0123456789abcdef", 1, 1.0, {"source-a": (1, 1.0)})
    labelled = {**COUNTERS, **GAUGES}
    sample = {kind: [kind, *("x" for _ in labels), 1] for kind, (_, _, labels) in labelled.items()}
    latency = [["upstream_bucket", 0, 3, 1], ["upstream_seconds", 0, 0.008]]
    counters = [sample[kind] for kind in COUNTERS] + latency
    metrics.report(0, {"counters": counters, "gauges": [sample[kind] for kind in GAUGES]})
    metrics.updates = state_of(STATUS)
    registry = CollectorRegistry()
    registry.register(metrics)
    return generate_latest(registry).decode("utf-8")


def exposed() -> dict[str, Described]:
    found = {}
    for family in text_string_to_metric_families(exposition()):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        kind = "info" if name.endswith("_info") else family.type
        found[name] = Described(kind, frozenset(labels), family.documentation)
    return found


def documented() -> dict[str, tuple[str, frozenset[str]]]:
    """Every row of the tables of metrics: name to (type, labels)."""
    found = {}
    pattern = r"^\| `(filterd_\w+)` \| (\w+) \|([^|]*)\| [^|]+ \|$"
    for name, kind, labels in re.findall(pattern, prose(PAGE), re.MULTILINE):
        found[name] = (kind, frozenset(re.findall(r"`(\w+)`", labels)))
    return found


def values(label: str) -> set[str]:
    table = {row[0]: row[1] for row in rows(PAGE, "| label |")}
    return set(table[label].split(", "))


def test_page_lists_every_metric_and_no_other() -> None:
    assert sorted(documented()) == sorted(exposed())


@pytest.mark.parametrize("name", sorted(documented()))
def test_page_gives_type_and_labels(name: str) -> None:
    found = exposed()[name]
    assert documented()[name] == (found.kind, found.labels)


def test_page_gives_the_values_of_every_closed_label() -> None:
    assert values("action") == {str(action) for action in Action}
    assert values("reason") == {str(reason) for reason in Reason}
    assert values("transport") == set(PORTS)
    assert values("outcome") == {str(outcome) for outcome in Outcome}
    assert values("why") == {str(why) or NO_REASON for why in Why}
    assert values("result") == set(RESULTS)
    assert values("kind") == set(KINDS)


def test_page_gives_values_for_every_label_but_numbered_and_informative_ones() -> None:
    labels = {label for found in exposed().values() for label in found.labels}
    listed = {row[0] for row in rows(PAGE, "| label |")}
    assert labels - listed == {"upstream", "generation", "policy", "version"}


@pytest.mark.parametrize("block", blocks(PAGE, "promql"), ids=lambda block: f"line {block.line}")
def test_query_asks_for_metrics_and_labels_that_exist(block: Block) -> None:
    names = re.findall(r"\bfilterd_\w+", block.text)
    known = exposed()
    metrics = {re.sub(r"_(bucket|sum|count)$", "", name) if name not in known else name for name in names}
    assert metrics and metrics <= set(known)
    used = set(re.findall(r"(\w+)(?:=|!=|=~)\"", block.text))
    used |= {label for by in re.findall(r"by \(([^)]*)\)", block.text) for label in by.split(", ")}
    assert used - {"le"} <= {label for name in metrics for label in known[name].labels}


@pytest.mark.parametrize("name", sorted(exposed()))
def test_name_and_help_follow_prometheus_conventions(name: str) -> None:
    found = exposed()[name]
    words = name.split("_")
    assert re.fullmatch(r"filterd_[a-z][a-z0-9_]*", name)
    assert (words[-1] == "total") == (found.kind == "counter")
    assert words[-1] not in ("bucket", "count", "sum")
    assert not set(words) & set(NOT_BASE_UNITS)
    assert not set(words) & set(TYPE_WORDS)
    assert found.kind != "histogram" or words[-1] in ("seconds", "bytes")
    assert found.help.endswith(".")


@pytest.mark.parametrize("name", sorted(exposed()))
def test_labels_can_never_hold_a_person_or_a_site(name: str) -> None:
    labels = exposed()[name].labels
    assert not labels & set(FORBIDDEN_LABELS)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", label) for label in labels)


@needs_promtool
def test_promtool_reads_every_query(tmp_path: Path) -> None:
    rules = [{"record": f"query:{block.line}", "expr": block.text} for block in blocks(PAGE, "promql")]
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({"groups": [{"name": "page", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_page_lists_every_alert() -> None:
    assert {row[0].strip("`") for row in rows(PAGE, "| alert |")} == {rule["alert"] for rule in alerts()}


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_alert_asks_for_metrics_and_labels_that_exist(rule: dict[str, Any]) -> None:
    metrics = set(re.findall(r"\bfilterd_\w+", rule["expr"]))
    known = exposed()
    assert metrics and metrics <= set(known)
    labels = {label for name in metrics for label in known[name].labels} | {"instance"}
    assert set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))) <= labels
    assert rule["labels"]["severity"] in ("info", "warning", "critical")


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_alert_names_a_command_that_exists(rule: dict[str, Any]) -> None:
    command = re.sub(r"\{\{.*?\}\}", "ID", rule["annotations"]["command"])
    assert not command.startswith("filterd ") or unknown_words(command) is None
    assert set(rule["annotations"]) == {"summary", "summary_vi", "command"}


@needs_promtool
def test_promtool_has_no_complaint() -> None:
    done = subprocess.run(["promtool", "check", "metrics"], input=exposition(), capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
