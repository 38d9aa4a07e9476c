"""The promises of the server, each measured against a running one on loopback; `stage` is what all of them stand on."""

from __future__ import annotations

import importlib

from lib.promises.lines import Part

PARTS = {
    "upstream-dies": "outage.run",
    "tcp": "tcp.run",
    "malicious-upstream": "hostile_upstream.run",
    "malicious-client": "hostile_client.run",
    "spoof": "spoofing.run",
    "clock": "clock.run",
    "disk": "disk.run",
    "update": "updating.run",
    "power": "power.run",
    "sd": "writes.run",
    "heal": "healing.run",
    "private": "privacy.run",
    "packets": "packets.run",
    "soak": "soak.run",
    "transports": "suites.transports",
    "conformance": "suites.conformance",
    "answers": "suites.answers",
}


def part(name: str) -> Part:
    """What measures one of PARTS. Loaded when it is wanted: each leans on other tests' helpers."""
    module, _, function = PARTS[name].partition(".")
    found: Part = getattr(importlib.import_module(f"lib.promises.{module}"), function)
    return found
