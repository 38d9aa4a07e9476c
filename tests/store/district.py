"""A district with a table, a key and a bundle, and a school that trusts it."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filterd.core.bundle import Index
from filterd.core.source import Source
from filterd.core.table import Table
from filterd.store import bundles, exports, keys, tables
from filterd.store.bundles import INDEX, SIGNATURE, Offer
from tests.core.compiled import compiled

NOW = 1_800_000_000
SOURCES = (
    Source("list-0", "Games of Somebody", "https://me:secret@lists.example/x.txt?key=1", "domains", "games", "MIT"),
    Source("list-1", "Ads", "file:///srv/private/ads.txt", "hosts", "ads", "CC0-1.0", homepage="https://ads.example"),
)


def nothing_wrong(_: Table) -> str:
    return ""


@dataclass
class District:
    """`state` has the table that `folder` carries; `school` is another box's state, `config` its configuration."""

    root: Path

    def __post_init__(self) -> None:
        self.state, self.folder, self.safe = self.root / "state", self.root / "www", self.root / "safe"
        self.school, self.config = self.root / "school", self.root / "config"
        for made in (self.safe, self.school, self.config):
            made.mkdir()
        self.key = keys.create(self.safe, "district")
        self.private = keys.load_private(self.safe / "district.key")
        keys.trust(self.config, self.key)

    def compile(self, *blocked: str, now: int = NOW) -> str:
        table = compiled(("domains", "games", "\n".join(blocked)), ("hosts", "ads", "0.0.0.0 ad.com"))
        return tables.publish(self.state, table, now)

    def export(self, now: int = NOW, **changes: Any) -> Index:
        return exports.export(self.state, self.folder, self.private, "Hoa Sen", SOURCES, {}, now, **changes)

    def look(self, now: int = NOW, trusted: bool = True) -> Offer:
        return bundles.look(self.folder, bundles.gate(self.config, self.school, now, trusted))

    def take(
        self, offer: Offer, now: int = NOW, keep: int = 3, check: bundles.Probe = nothing_wrong, name: str = ""
    ) -> str:
        staging = self.root / f"staging{name}"
        staging.mkdir(exist_ok=True)
        folder = staging / str(len(list(staging.iterdir())))
        folder.mkdir()
        return bundles.take(self.school, self.folder, offer, folder, keep, now, check)

    def bring(self, now: int = NOW, **changes: Any) -> str:
        """What an import does."""
        return self.take(self.look(now), now, **changes)

    def sign(self, data: bytes) -> None:
        """Put any bytes in place of the index, with a good signature."""
        (self.folder / INDEX).write_bytes(data)
        (self.folder / SIGNATURE).write_bytes(base64.b64encode(keys.sign(self.private, data)))

    def resign(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the index and sign it again, as a district with a fault would."""
        body = json.loads((self.folder / INDEX).read_bytes())
        change(body)
        self.sign(json.dumps(body).encode())

    def index(self) -> Index:
        return Index.parse((self.folder / INDEX).read_bytes())

    def file(self, name: str) -> Path:
        return self.folder / self.index().folder / name

    def renamed(self, **changes: Any) -> Index:
        return dataclasses.replace(self.index(), **changes)
