"""One blocklist source as `blocklists/sources.yaml` describes it: where it comes from and how it is judged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """`covers` None: what the format means. `max_shrink` and `max_grow` are fractions of the last good entry count."""

    id: str
    name: str
    url: str  # https:, http: (only with allow_http), or file: relative to blocklists/
    format: str
    category: str
    licence: str
    homepage: str = ""
    mirrors: tuple[str, ...] = ()
    member: str | None = None  # a folder or file inside an archive or data tree
    covers: str | None = None
    tld_list: bool = False  # public suffixes and bare TLDs are meant
    min_entries: int = 1
    max_shrink: float = 0.20
    max_grow: float = 0.25
    allow_http: bool = False
    allow_private: bool = False  # its host may have a private address: a server inside the school or the district
    max_bytes: int = 64 << 20  # of a download
    languages: tuple[str, ...] = ()
    enabled: bool = True
