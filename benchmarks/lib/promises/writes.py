"""What the server writes to an SD card (P17): write_bytes of all its processes at 200 queries/s, scaled to an hour."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from lib import procstat
from lib.promises import stage
from lib.promises.disk import NEWLY_SEEN
from lib.promises.lines import Line, Size
from lib.promises.stage import FILES, SOURCES, Backend

RATE, NEW_SHARE = 200, 10  # one question in ten is for a new domain
SAVES_AN_HOUR = 6  # a block is appended to the register every ten minutes at most...
BLOCK_BYTES = 8192  # ...and its last page, and the file's entry, are written however little it holds
TARGET_BYTES = 1_000_000


def run(size: Size) -> Iterator[Line]:
    seconds = size.seconds(180.0, 2.0)
    more = stage.UNLIMITED + NEWLY_SEEN
    with Backend() as upstream, stage.school(more) as (config, state):
        with stage.Server(config, state, upstreams=(upstream.url,), workers=2, before=stage.spread) as server:
            before = _written(server.process.pid)
            began = time.monotonic()
            known = stage.ask(server.port, FILES.mix(11), SOURCES[0], RATE - RATE // NEW_SHARE, seconds)
            new = stage.ask(server.port, FILES.miss(11), SOURCES[1], RATE // NEW_SHARE, seconds)
            asked = known.finish().completed + new.finish().completed
            took_s = time.monotonic() - began
            during = _written(server.process.pid) - before
            server.wait_metric("filterd_dns_queries_total", lambda n: n >= asked)
        saved = sum(path.stat().st_size for path in (state / "dns").glob("first-seen*"))
    an_hour = (during + saved) * 3600 / took_s + SAVES_AN_HOUR * BLOCK_BYTES
    done = f"{RATE} queries/s for {took_s:.0f} s, one in {NEW_SHARE} for a new domain, 2 workers, `newly_seen` on"
    figure = (
        f"{during:,} bytes in {took_s:.0f} s, and {saved:,} bytes of the register of domains, which is appended to "
    )
    figure += f"every ten minutes at most: {an_hour:,.0f} bytes/h"
    yield Line("sd, bytes written", done, figure, "<= 1 MB/h", an_hour <= TARGET_BYTES and saved > 0)


def _written(pid: int) -> int:
    """Bytes that the process and all below it caused to be written to a disk (proc(5), write_bytes)."""
    total = 0
    for one in procstat.tree(pid):
        fields = dict(line.split(": ") for line in Path(f"/proc/{one}/io").read_text().splitlines())
        total += int(fields["write_bytes"])
    return total
