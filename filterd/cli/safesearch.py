"""`filterd safesearch`: which search engines are held in their safe mode for whom, and by which answer.

Reads the policy as `explain` does; with a class it also says which engines that class cannot open at all now.
"""

from __future__ import annotations

import json
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from filterd.cli.options import config_option, state_option
from filterd.cli.state import state_directory

if TYPE_CHECKING:
    from filterd.core.policy import Policy, SafeEngine, Tier
    from filterd.live.published import Published

WIDTH = 80


@click.command()
@config_option
@state_option
@click.option("--tier", metavar="ID", help="For this tier only.")
@click.option("--class", "classroom", metavar="ID", help="For this class or room, as it is now.")
@click.option("--hosts", "with_hosts", is_flag=True, help="With the name of every host.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def safesearch(
    config_dir: Path,
    state_dir: Path | None,
    tier: str | None,
    classroom: str | None,
    with_hosts: bool,
    as_json: bool,
) -> None:
    """List which search engines are in safe mode for each tier, how, and on whose word.

    Names are rewritten for A, AAAA and HTTPS questions, exactly the hosts listed and nothing below them.
    """
    from filterd.live.published import open_readonly

    if tier is not None and classroom is not None:
        raise click.UsageError("one of --tier and --class, not both")
    published = open_readonly(config_dir, state_directory(config_dir, state_dir))
    found = report(published, tier, classroom, time.time())
    click.echo(json.dumps(found, ensure_ascii=False, indent=2) if as_json else _text(found, with_hosts))


def report(published: Published, tier: str | None, classroom: str | None, now: float) -> dict[str, Any]:
    """What is enforced, as JSON values. Raises click.BadParameter for a tier or class that is not there."""
    policy = published.policy
    wanted = tier
    if classroom is not None:
        places = {place.id: place.tier for place in policy.places}
        classroom = _known(classroom, {p.name.lower(): p.id for p in policy.places}, places, "class or room")
        wanted = places[classroom]
    elif tier is not None:
        wanted = _known(tier, {}, {t.id: t.id for t in policy.tiers}, "tier")
    tiers = [_of_tier(policy, t) for t in policy.tiers if wanted in (None, t.id)]
    matters = ["policy"]
    if classroom is not None:
        _add_closed(published, classroom, tiers[0]["engines"], now)
        matters += ["table", "overrides"]
    return {
        "class": classroom,
        "tiers": tiers,
        "engines": [_of_engine(engine) for engine in policy.engines],
        "policy": policy.digest[:12],
        "faults": [published.faults[i].splitlines()[-1] for i in matters if i in published.faults],
    }


def _known(word: str, by_name: dict[str, str], ids: dict[str, str], kind: str) -> str:
    from filterd.config.problems import suggest

    found = by_name.get(word.lower(), word)
    if found not in ids:
        raise click.BadParameter(f"{word!r} is not a {kind}; {suggest(word, ids)}")
    return found


def _of_tier(policy: Policy, tier: Tier) -> dict[str, Any]:
    chosen = {choice.engine: choice.mode for choice in tier.safe_search}
    engines = []
    for engine in policy.engines:
        mode = next((m for m in engine.modes if m.id == chosen.get(engine.id)), None)
        addresses = [*mode.ipv4, *mode.ipv6] if mode is not None else []
        engines.append(
            {
                "id": engine.id,
                "mode": mode.id if mode is not None else "off",
                "hosts": len(engine.hosts),
                "target": mode.target if mode is not None else None,
                "addresses": addresses,
            }
        )
    return {
        "id": tier.id,
        "name": {"vi": tier.name.vi, "en": tier.name.en},
        "engines": engines,
        "without_safe_mode": _of_unsafe(policy, tier),
    }


def _of_unsafe(policy: Policy, tier: Tier) -> dict[str, Any] | None:
    from filterd.config.compile_search import UNSAFE

    service = next((s for s in policy.services if s.id == UNSAFE), None)
    if service is None:
        return None
    closed = service.category in (*tier.block, *policy.floor.categories)
    return {"category": service.category, "names": len(service.names), "closed": closed}


def _of_engine(engine: SafeEngine) -> dict[str, Any]:
    name = {"vi": engine.name.vi, "en": engine.name.en}
    return {"id": engine.id, "name": name, "hosts": list(engine.hosts), "sources": list(engine.sources)}


def _add_closed(published: Published, classroom: str, engines: list[dict[str, Any]], now: float) -> None:
    """What a class cannot open at all needs no safe mode: the reason under "closed", else None."""
    from filterd.live.explain import Question, explain_name

    hosts = {engine.id: engine.hosts[0] for engine in published.policy.engines}
    for engine in engines:
        found = explain_name(published, Question(hosts[engine["id"]], classroom=classroom), now)
        engine["closed"] = found["rule"] if found["action"] == "block" else None


def _text(found: dict[str, Any], with_hosts: bool) -> str:
    hosts = {engine["id"]: engine["hosts"] for engine in found["engines"]}
    lines: list[str] = []
    for tier in found["tiers"]:
        who = f"{found['class']}, tier {tier['id']}" if found["class"] else tier["id"]
        lines += [f"{who}: {_both(tier['name'])}"]
        for engine in tier["engines"]:
            lines += _row(engine)
            if with_hosts and engine["mode"] != "off":
                lines += _wrapped(", ".join(hosts[engine["id"]]))
        lines += _unsafe_row(tier["without_safe_mode"])
        lines += [""]
    if not found["engines"]:
        lines += ["No engines: there is no policies/safesearch.yaml, or it lists none.", ""]
    lines += [line for engine in found["engines"] for line in _source_rows(engine)]
    lines += [f"note: {fault}" for fault in found["faults"]]
    return "\n".join(lines).rstrip()


def _row(engine: dict[str, Any]) -> list[str]:
    head = f"  {engine['id']:<14} {engine['mode']:<9}"
    if engine["mode"] != "off":
        answer = engine["target"] or ", ".join(engine["addresses"])
        head += f" {engine['hosts']:>4} hosts  {answer}"
    rows = textwrap.wrap(head, WIDTH, subsequent_indent=" " * 6, break_long_words=False)
    return rows + (_wrapped(f"closed now: {engine['closed']}") if engine.get("closed") else [])


def _unsafe_row(group: dict[str, Any] | None) -> list[str]:
    if group is None:
        return []
    state = "closed" if group["closed"] else "open"
    return [f"  {'others':<14} {state:<9} {group['names']:>4} names  without a safe mode ({group['category']})"]


def _source_rows(engine: dict[str, Any]) -> list[str]:
    return [f"{engine['id']}: {_both(engine['name'])}", *(f"    {url}" for url in engine["sources"])]


def _both(name: dict[str, str]) -> str:
    return name["vi"] if name["vi"] == name["en"] else f"{name['vi']} / {name['en']}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent="    ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
