"""What every model of the YAML shares: strictness, and the types of fields. The models: `schema_*.py`.

A field's docstring says effect, unit and default. Models know one file each; what holds between files is checked by
`crosscheck`, and `problems` words every mistake.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from filterd.config import units


class Strict(BaseModel):
    """Base of all models: no unknown keys, no guessing of types, no change once made."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


def between(parse: Callable[[object], Any], low: str, high: str) -> BeforeValidator:
    """A unit with bounds, written as the YAML would write them: `between(units.duration, "1s", "7d")`."""
    least, most = parse(low), parse(high)

    def check(value: object) -> Any:
        found = parse(value)
        if not least <= found <= most:
            raise ValueError(f"{value} is out of range; {low} to {high} is")
        return found

    return BeforeValidator(check)


def _no_control_characters(text: str) -> str:
    if not text.strip():
        raise ValueError("the text is empty")
    if any(not (c.isprintable() or c == "\n") for c in text):
        raise ValueError(f"{units.shown(text)} holds a control character")
    return text.strip()


def _absent_is_empty(value: Any) -> Any:
    return [] if value is None else value


def _absent_is_empty_map(value: Any) -> Any:
    return {} if value is None else value


Id = Annotated[str, AfterValidator(units.identifier)]
RuleName = Annotated[str, AfterValidator(units.rule_name)]
Domain = Annotated[str, AfterValidator(units.domain)]
Network = Annotated[str, AfterValidator(units.network)]
Interface = Annotated[str, AfterValidator(units.interface)]
IPv4 = Annotated[str, AfterValidator(units.ipv4)]
IPv6 = Annotated[str, AfterValidator(units.ipv6)]
Endpoint = Annotated[str, AfterValidator(units.endpoint)]
TimeZone = Annotated[str, AfterValidator(units.time_zone)]
Phone = Annotated[str, AfterValidator(units.phone)]
WebUrl = Annotated[str, AfterValidator(units.web_url)]
SourceUrl = Annotated[str, AfterValidator(units.source_url)]
Day = Annotated[datetime.date, BeforeValidator(units.day)]
Line = Annotated[str, Field(max_length=400), AfterValidator(_no_control_characters)]
Emptiable = BeforeValidator(_absent_is_empty)
"""On a list: the key with nothing behind it means the empty list."""
EmptiableMap = BeforeValidator(_absent_is_empty_map)
"""The same on a map."""
Answer = Literal["gateway", "zero", "nxdomain"]


class Bilingual(Strict):
    """A text in the two languages of a school; both are required."""

    vi: Line
    """Vietnamese."""
    en: Line
    """English."""


class Observed(Strict):
    """Tiers, classrooms and rooms: rules can be watched before they bite."""

    enforce: Literal["block", "observe"] = "block"
    """`observe` counts what would be blocked and lets it pass, the floor excepted. Default: block."""
    observe_until: Day | None = None
    """The last day of `observe`, in the school's time zone; required with it, so that it ends. Default: none."""
