"""`blocklists/sources.yaml`: which lists there are, and how far each is trusted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from filterd.config import units
from filterd.config.schema import Emptiable, Id, Line, SourceUrl, Strict, WebUrl, between

Format = Literal["auto", "hosts", "domains", "wildcard", "adblock", "rpz", "dnsmasq", "unbound", "ut1", "v2fly", "cidr"]
Covers = Literal["subtree", "exact", "below"]


class SourceModel(Strict):
    """One blocklist."""

    id: Id
    """Its id in `explain`, metrics and file names."""
    name: Line
    """What its authors call it."""
    homepage: WebUrl | None = None
    """Where people read about it. Default: none."""
    url: SourceUrl
    """Where it is: https:, file: below blocklists/, or http: with `allow_http`."""
    mirrors: Annotated[list[SourceUrl], Emptiable] = Field(default_factory=list)
    """Other places of the same list, tried in order. Default: none."""
    member: Line | None = None
    """The folder or file inside an archive or data tree. Default: the whole of it."""
    format: Format = "auto"
    """How it is written. Default: auto, by its first lines."""
    category: Id
    """The category its names belong to."""
    licence: Line
    """The licence it is under, as an SPDX id where there is one."""
    covers: Covers | None = None
    """What an entry covers: `subtree`, `exact` or `below`. Default: what its format means."""
    tld_list: bool = False
    """Public suffixes and top-level domains are meant. Default: false, they are refused."""
    min_entries: int = Field(default=1, ge=0, le=100_000_000)
    """Fewer entries than this and the download is not used. Default: 1."""
    max_shrink: Annotated[float, between(units.percent, "0%", "100%")] = 0.20
    """Losing more than this part of the last good copy and the download is not used. Default: 20%."""
    max_grow: Annotated[float, between(units.percent, "0%", "9999%")] = 0.25
    """Likewise for growing. Default: 25%."""
    allow_http: bool = False
    """Whether plain http: is accepted, for lists that have nothing else. Default: false."""
    allow_private: bool = False
    """Whether its host may have a private address, as a server inside the school has. Default: false."""
    max_size: Annotated[int, between(units.size, "1KiB", "512MiB")] = 64 << 20
    """A download with more bytes than this is broken off. Default: 64MiB."""
    languages: Annotated[list[Id], Emptiable] = Field(default_factory=list)
    """The languages of the sites it knows, such as vi. Default: none said."""
    enabled: bool = True
    """Whether it is used. Default: true."""


class Sources(Strict):
    """The whole file."""

    sources: list[SourceModel] = Field(min_length=1, max_length=500)
    """Every list."""
