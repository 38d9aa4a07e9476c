"""Upstreams, routes and encrypted listeners of school.yaml as values of the compiled policy.

Pure: checked models in, values out; paths of files become absolute below the configuration directory. Only `compile`
calls it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from filterd.config import units
from filterd.config.schema_dns import UpstreamModel
from filterd.config.schema_school import School
from filterd.core.policy import Encrypted, Rebinding, Route, Upstream


def upstreams(models: Sequence[UpstreamModel], config_dir: Path) -> tuple[Upstream, ...]:
    """Each once, in order."""
    found = (
        units.upstream(m.url, tuple(m.addresses), None if m.ca is None else str(config_dir / m.ca)) for m in models
    )
    return tuple(dict.fromkeys(found))


def routes(school: School, config_dir: Path) -> tuple[Route, ...]:
    """`conditional`, in the order of the file."""
    return tuple(Route(zone, upstreams(models, config_dir)) for zone, models in school.conditional.items())


def rebinding(school: School) -> Rebinding:
    """What may hold private addresses; a zone that the school has resolvers of its own for may."""
    allow = (*school.rebinding.allow, *school.conditional)
    return Rebinding(school.rebinding.protect, tuple(dict.fromkeys(allow)))


def encrypted(school: School, config_dir: Path) -> Encrypted | None:
    """The listeners for DNS over TLS and HTTPS, or None."""
    model = school.encrypted
    if model is None:
        return None
    return Encrypted(
        name=model.name,
        certificate=str(config_dir / model.certificate),
        key=str(config_dir / model.key),
        dot=tuple(dict.fromkeys(model.dot)),
        doh=tuple(dict.fromkeys(model.doh)),
        path=model.path,
        ddr=model.ddr,
    )
