"""The promises of the server, each measured against a running one on loopback; `stage` is what all of them stand on."""

from __future__ import annotations

from lib.promises import hostile_client, hostile_upstream, outage, tcp
from lib.promises.lines import Part

PARTS: dict[str, Part] = {
    "upstream-dies": outage.run,
    "tcp": tcp.run,
    "malicious-upstream": hostile_upstream.run,
    "malicious-client": hostile_client.run,
}
