"""local.yaml as values of the compiled policy: every host and record with its RDATA packed.

Pure: checked models in, values out; paths of files become absolute below the configuration directory. Only `compile`
calls it.
"""

from __future__ import annotations

from pathlib import Path

from filterd.config import records
from filterd.config import schema_local as schema
from filterd.core.policy import Leases, Local, LocalRecord

HOST_TTL_S = 300


def local(model: schema.Local, config_dir: Path) -> Local:
    """What the school itself knows; hosts first, in the order of the file."""
    found = [
        _record(name, kind, HOST_TTL_S, value)
        for name, addresses in model.hosts.items()
        for kind, value in map(records.address, addresses)
    ]
    found += [_record(r.name, r.type, r.ttl, r.value) for r in model.records]
    return Local(
        zones=tuple(dict.fromkeys(model.zones)),
        records=tuple(dict.fromkeys(found)),
        leases=_leases(model.leases, config_dir) if model.leases is not None else None,
    )


def _record(name: str, kind: str, ttl_s: int, value: str) -> LocalRecord:
    return LocalRecord(name, records.TYPES[kind], ttl_s, records.rdata(kind, value).hex())


def _leases(model: schema.LeasesModel, config_dir: Path) -> Leases:
    files = (str(config_dir / path) for path in model.files)
    return Leases(model.domain, tuple(dict.fromkeys(files)), tuple(dict.fromkeys(model.tiers)))
