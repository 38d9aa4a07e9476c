"""The DNS side of school.yaml: upstreams and routes, rebinding, newly seen names, encrypted listeners."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from filterd.config import units
from filterd.config.schema import Domain, Emptiable, Endpoint, Id, Line, Strict

_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")


def _bare_url(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


def _path(value: str) -> str:
    if _PATH.fullmatch(value):
        return value
    raise ValueError(f"{units.shown(value)} is not the path of a URL, such as /dns-query")


class UpstreamModel(Strict):
    """A resolver: its URL alone, or a map."""

    url: Line
    """udp://, tcp://, tls:// (DNS over TLS, RFC 7858) or https:// (DNS over HTTPS, RFC 8484)."""
    addresses: Annotated[list[Line], Emptiable] = Field(default_factory=list, max_length=8)
    """Where to connect if the URL holds a name; needed then. Default: the address in the URL."""
    ca: Line | None = None
    """A file of certificates to trust instead of the system's, relative to DIR. Default: none, the system's."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        units.upstream(self.url, tuple(self.addresses), self.ca)
        return self


Upstreams = Annotated[list[Annotated[UpstreamModel, BeforeValidator(_bare_url)]], Field(min_length=1, max_length=16)]
Zone = Annotated[str, AfterValidator(units.zone)]


class RebindingModel(Strict):
    """Private addresses in answers from outside lead browsers to the school's own machines."""

    protect: bool = True
    """Whether such answers are refused. Default: true."""
    allow: Annotated[list[Domain], Emptiable] = Field(default_factory=list, max_length=500)
    """Names below which they are right; the zones of `conditional` are anyway. Default: none."""


class NewlySeenModel(Strict):
    """Names the school has only just begun to ask for, as a category."""

    category: Id
    """The category they belong to meanwhile."""
    days: int = Field(ge=1, le=90)
    """How many days a domain counts as new, from its first question in this school."""


class EncryptedModel(Strict):
    """DNS over TLS and over HTTPS for the school's devices."""

    name: Domain
    """The name that devices are given and the certificate is for."""
    certificate: Line
    """The certificate with its chain, a PEM file, relative to DIR."""
    key: Line
    """Its private key, a PEM file, relative to DIR."""
    dot: Annotated[list[Endpoint], Emptiable] = Field(default_factory=list, max_length=64)
    """Where DNS over TLS is taken, usually port 853. Default: nowhere."""
    doh: Annotated[list[Endpoint], Emptiable] = Field(default_factory=list, max_length=64)
    """Where DNS over HTTPS is taken, usually port 443. Default: nowhere."""
    path: Annotated[Line, AfterValidator(_path)] = "/dns-query"
    """The path of DNS over HTTPS. Default: /dns-query."""
    ddr: bool = True
    """Whether devices that ask for _dns.resolver.arpa are told of it (RFC 9462). Default: true."""
