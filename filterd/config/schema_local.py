"""`policies/local.yaml`: what the school itself knows: machines, records, leases, and the names that are its own."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from filterd.config import records, units
from filterd.config.schema import Domain, Emptiable, EmptiableMap, Id, Line, Strict, between


def _own_zone(value: str) -> str:
    zone = units.zone(value)
    if "." in zone and not zone.endswith(".arpa") and units.is_public_suffix(zone):
        raise ValueError(f"{zone!r} is a public suffix: every site below it would be gone; name the school's own zone")
    return zone


def _address(value: str) -> str:
    return records.address(value)[1]


def _bare(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Address = Annotated[str, AfterValidator(_address)]


class Record(Strict):
    """One record."""

    type: Literal["A", "AAAA", "PTR", "CNAME", "TXT", "SRV", "MX"]
    """Its type."""
    name: Annotated[str, Field(max_length=255)]
    """The name it stands at; for PTR an address will do."""
    value: Annotated[str, Field(max_length=4000)]
    """What it says: an address, a name, a text; `0 100 389 dc1.truong.lan` for SRV, `10 mail.truong.lan` for MX."""
    ttl: Annotated[int, between(units.duration, "0s", "7d")] = 300
    """How long others may keep it. Default: 5m."""

    @field_validator("name")
    @classmethod
    def _owner(cls, name: str, info: ValidationInfo) -> str:
        return records.owner(info.data.get("type", ""), name)

    @field_validator("value")
    @classmethod
    def _packed(cls, value: str, info: ValidationInfo) -> str:
        if "type" in info.data:
            records.rdata(info.data["type"], value)
        return value


class LeasesModel(Strict):
    """Names that devices gave themselves when a DHCP server gave them an address."""

    domain: Domain
    """The domain their names are put below, such as lan."""
    files: list[Line] = Field(min_length=1, max_length=16)
    """Files of leases that dnsmasq or Kea (CSV) keep, relative to DIR; one that is not there has none."""
    tiers: list[Id]
    """Who may ask for them; a device's name can be a child's, so nobody may whom the school does not name."""


class Local(Strict):
    """The whole of local.yaml."""

    zones: Annotated[list[Annotated[str, AfterValidator(_own_zone)]], Emptiable] = Field(
        default_factory=list, max_length=500
    )
    """Names, or networks for their reverse zones, that are the school's own: what is not below here is nowhere.
    Default: none.
    """
    hosts: Annotated[
        dict[Domain, Annotated[list[Address], BeforeValidator(_bare), Field(min_length=1, max_length=64)]], EmptiableMap
    ] = Field(default_factory=dict, max_length=10_000)
    """Machines and their addresses; questions from address to name are answered too. Default: none."""
    records: Annotated[list[Record], Emptiable] = Field(default_factory=list, max_length=10_000)
    """Other records. Default: none."""
    leases: LeasesModel | None = None
    """Devices by the names in DHCP leases. Default: null, none."""
