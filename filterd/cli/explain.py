"""`filterd explain`: how a name is decided for a class or a client, step by step, by the code that answers queries."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import click

from filterd.cli.options import config_option, state_option
from filterd.cli.state import state_directory
from filterd.cli.times import moment


@click.command()
@click.argument("name")
@config_option
@state_option
@click.option("--client", metavar="IP", help="As the device at this address.")
@click.option("--class", "classroom", metavar="ID", help="As a device of this class or room.")
@click.option("--at", "at", metavar="TIME", help='At another time: "2026-11-23 09:10" in the school\'s time zone.')
@click.option("--type", "qtype", default="A", show_default=True, help="Query type: A, AAAA, HTTPS...")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def explain(
    ctx: click.Context,
    name: str,
    config_dir: Path,
    state_dir: Path | None,
    client: str | None,
    classroom: str | None,
    at: str | None,
    qtype: str,
    as_json: bool,
) -> None:
    """Show how NAME is decided: class, tier, profile, rule, lists, and why.

    NAME may be an IP address: then it is what becomes of answers that hold this address.

    Exit code 0: the name is allowed or rewritten; 1: it is blocked; 2: bad input.
    """
    from filterd.config.units import domain
    from filterd.live.explain import Question, explain_name
    from filterd.live.published import open_readonly

    if (client is None) == (classroom is None):
        raise click.UsageError("say who asks: --client IP or --class ID")
    published = open_readonly(config_dir, state_directory(config_dir, state_dir))
    now = moment(at, published.policy.time_zone) if at else time.time()
    try:
        if "/" in name:
            domain(name)  # says which part of a URL is the name
        _must_be_type(qtype.upper())
        found = explain_name(published, Question(name, client, classroom, qtype.upper()), now)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    click.echo(json.dumps(found, ensure_ascii=False, indent=2) if as_json else _text(found))
    ctx.exit(1 if found["action"] == "block" else 0)


def _must_be_type(qtype: str) -> None:
    from dnslib import QTYPE

    known = qtype in QTYPE.reverse or (re.fullmatch(r"TYPE\d{1,5}", qtype) and int(qtype[4:]) < 1 << 16)
    if not known:
        raise ValueError(f"{qtype!r} is not a query type such as A, AAAA, HTTPS, TXT or TYPE65")


def _text(found: dict[str, Any]) -> str:
    where = found["classroom"] or "no class"
    lines = [
        f"{found['name']} {found['type']} for {where}: {found['action'].upper()} ({found['reason']})",
        "",
        f"  class     {where}" + (f" ({found['classroom_name']})" if found["classroom_name"] else ""),
        f"  tier      {found['tier'] or '-'}",
        f"  profile   {found['profile'] or '-'}",
        f"  rule      {found['rule'] or 'nothing speaks against it'}",
        f"  category  {found['category'] or '-'}",
        f"  answer    {found['answer']}, TTL {found['ttl']} s",
    ]
    if found["observed"]:
        lines.append("  observe   the tier or class only observes: this block was counted and let pass")
    if found["sources"]:
        lines.append(f"  because   {', '.join(found['sources'])}")
    for match in found["lists"]:
        kind = "takes out" if match["exception"] else "lists"
        lines.append(f"  list      {match['source']} ({match['category']}) {kind} {match['rule']} ({match['covers']})")
    lines += ["", "  steps of the decision, first match wins:"]
    lines += [f"  {'>' if step['decided'] else ' '} {step['step']:2} {step['text']}" for step in found["steps"]]
    lines += ["", f"  in force: policy {found['policy']}, table {found['table'] or 'none'}"]
    lines += [f"  note: {fault}" for fault in found["faults"]]
    return "\n".join(lines)
