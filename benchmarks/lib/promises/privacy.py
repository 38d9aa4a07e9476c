"""Nothing of what was asked is written anywhere (P26): ten thousand allowed names, then a search for them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from lib import load
from lib.promises import stage
from lib.promises.disk import NEWLY_SEEN
from lib.promises.lines import Line, Size
from lib.promises.stage import SOURCES, Backend

WISH = "secret-wish"


def run(size: Size) -> Iterator[Line]:
    count = size.of(10_000, 500)
    with Backend() as upstream, stage.school(stage.UNLIMITED + NEWLY_SEEN) as (config, state):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "names.txt"
            path.write_text("".join(f"www.{WISH}-{i}.example A\n" for i in range(count)))
            with stage.Server(config, state, upstreams=(upstream.url,), workers=2) as server:
                asked = load.once(server.port, path, SOURCES[0])
                server.wait_metric("filterd_dns_queries_total", lambda n: n >= asked.completed)
                page = server.metrics_text()
        files = [path for place in (config, state) for path in place.rglob("*") if path.is_file()]
        texts = [page, server.log]
        written = sum(WISH.encode() in path.read_bytes() for path in files)
    told = sum(WISH in text or SOURCES[0] in text for text in texts)
    done = f"{asked.completed:,} queries for different allowed names, `newly_seen` on, then a stop"
    figure = f"found in {written} of {len(files)} files and in {told} of metrics and log"
    yield Line("private, names stored", done, figure, "0", written + told == 0 and asked.completed >= count)
