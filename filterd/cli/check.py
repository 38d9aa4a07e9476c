"""`filterd check`: the whole configuration, every mistake at once, or one screen of what it says."""

from __future__ import annotations

import datetime
import textwrap
from collections import Counter
from pathlib import Path

import click

from filterd.cli import check_dns
from filterd.cli.options import config_option, state_option
from filterd.cli.state import state_directory
from filterd.config import advice, files, load
from filterd.config.load import Configuration
from filterd.core.policy import Policy
from filterd.store import policies

WIDTH = 80
MARGIN = 11


@click.command()
@config_option
@state_option
def check(config_dir: Path, state_dir: Path | None) -> None:
    """Check the whole configuration; every mistake at once.

    Prints "ok" and a summary, with warnings, or every mistake with its file and line. Exit code 2 on any mistake.
    """
    found = load.load_all(config_dir)
    click.echo("ok")
    for label, text in summary(found.policy, found):
        click.echo(_paragraph(f"{label:<{MARGIN}}", text))
    click.echo(_paragraph(f"{'in force':<{MARGIN}}", in_force(found.policy, state_directory(config_dir, state_dir))))
    today = datetime.datetime.now(datetime.UTC).date()
    names = [path.name for path in files.policy_paths(config_dir)]
    for warning in [
        *advice.warnings(found, names, today),
        *missing_lists(found, config_dir),
        *check_dns.missing(found.policy),
        *check_dns.unfit(found.policy),
    ]:
        click.echo(_paragraph("warning: ", warning))


def summary(policy: Policy, found: Configuration) -> list[tuple[str, str]]:
    """(label, text) of everything a technician looks at first."""
    unknown = f"tier {policy.unknown_client_tier}" if policy.unknown_client_tier else "refused"
    users = Counter(place.tier for place in policy.places)
    kinds = {kind: [p.id for p in policy.places if p.kind == kind] for kind in ("classroom", "room")}
    tiers = (f"{t.id} (closes {len(t.block)}, used by {users[t.id]})" for t in policy.tiers)
    allowed = sum(name.allow for name in policy.names)
    off = sum(not source.enabled for source in found.sources)
    return [
        ("school", f"{policy.school_name.vi} / {policy.school_name.en} ({policy.school_code}), {policy.time_zone}"),
        ("listen", f"{', '.join(policy.listen)}; metrics {policy.metrics or 'off'}; workers {policy.workers}"),
        ("networks", f"{', '.join(policy.networks)}; unknown clients: {unknown}"),
        ("upstreams", f"{', '.join(u.url for u in policy.upstreams)}; source ports {policy.source_ports}"),
        *check_dns.summary(policy),
        ("blocked", f"answer {policy.block_answer.mode}"),
        ("tiers", ", ".join(tiers)),
        ("search", check_dns.search(policy)),
        ("classes", f"{len(kinds['classroom'])}: {_some(kinds['classroom'])}"),
        ("rooms", f"{len(kinds['room'])}: {_some(kinds['room'])}"),
        ("profiles", _some([p.id for p in policy.profiles])),
        ("categories", f"{len(policy.categories)}; in the floor: {_some(list(policy.floor.categories))}"),
        ("services", f"{len(policy.services)} in {len(found.models.services.bundles)} bundles"),
        ("names", f"{allowed} allow, {len(policy.names) - allowed} block, {len(policy.floor.must_allow)} must-allow"),
        ("contacts", str(len(found.models.contacts.contacts))),
        ("lists", f"{len(found.sources)}" + (f", {off} of them off" if off else "")),
    ]


def in_force(policy: Policy, state_dir: Path) -> str:
    """Whether the last policy a server took is this one."""
    try:
        last = policies.load(state_dir)
    except FileNotFoundError:
        return "nothing yet: no server has run with this state directory"
    except (OSError, ValueError) as error:
        return f"unknown: {error}"
    if last.digest == policy.digest:
        return "this configuration"
    return "another configuration; a running server takes this one within a second"


def missing_lists(found: Configuration, config_dir: Path) -> list[str]:
    """Lists that are files of this directory and are not there."""
    missing = []
    for source in found.sources:
        path = source.url.removeprefix("file:")
        if path != source.url and source.enabled and not (config_dir / files.BLOCKLISTS / path).exists():
            missing.append(f"blocklists/sources.yaml: {source.id!r}: there is no {path}")
    return missing


def _paragraph(label: str, text: str) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _some(ids: list[str], most: int = 24) -> str:
    return (", ".join(ids[:most]) or "none") + (f" and {len(ids) - most} more" if len(ids) > most else "")
