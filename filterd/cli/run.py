"""`filterd run`: the DNS filter in the foreground."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import click

from filterd.cli.options import config_option, state_option
from filterd.cli.state import state_directory


@click.command()
@config_option
@state_option
@click.option("--listen", multiple=True, metavar="ADDR:PORT", help="Listen here instead (repeatable).")
@click.option("--upstream", "upstreams", multiple=True, metavar="URL", help="Ask here (repeatable).")
@click.option("--workers", type=click.IntRange(1, 16), help="Worker processes.")
@click.option("--metrics", metavar="ADDR:PORT", help="Prometheus metrics here instead.")
def run(
    config_dir: Path,
    state_dir: Path | None,
    listen: tuple[str, ...],
    upstreams: tuple[str, ...],
    workers: int | None,
    metrics: str | None,
) -> None:
    """Run the DNS filter until SIGTERM; SIGHUP reloads.

    Flags override school.yaml. A changed configuration, table or override is taken up within a second; a wrong one
    never: what was in force stays.
    """
    from filterd.core.policy import Upstream
    from filterd.core.servers import parse
    from filterd.dns.parent import Flags, Parent
    from filterd.dns.sockets import parse_address
    from filterd.live.published import open_published

    logging.basicConfig(format="filterd: %(message)s", level=logging.INFO, stream=sys.stderr)
    try:
        for address in (*listen, *([metrics] if metrics else [])):
            parse_address(address)
        for url in upstreams:
            parse(Upstream(url))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    published = open_published(config_dir, state_directory(config_dir, state_dir))
    asyncio.run(Parent(published, Flags(listen, upstreams, workers, metrics)).run())
