"""The few exceptions somebody catches. Each docstring names the catcher."""

from __future__ import annotations

from dataclasses import dataclass


class FilterdError(Exception):
    """Base of all below. Caught by `cli.main`, which prints it and exits 2."""


class WireError(FilterdError):
    """Bytes that are not a DNS message. Caught by `core.forwarder`, which answers FORMERR or nothing."""


class NameSyntaxError(FilterdError):
    """Text that is not a domain name. Caught by `core.rules` (counted per list) and `config.units`."""


class ListError(FilterdError):
    """A whole blocklist that must not be used (HTML, binary, too many bad lines); `why` is a value of
    `core.updates.Why`. Caught by `core.compiler` and `store.build`, which leave it out and say why, and by `update`."""

    def __init__(self, text: str, why: str = "format") -> None:
        super().__init__(text)
        self.why = why


class TableError(FilterdError):
    """A table that is missing, truncated or altered. Caught by `live`, which keeps the previous generation."""


class TrustError(FilterdError):
    """A key, or a signed file, that must not be believed: unknown, forged, older, expired, damaged; `why` is a value of
    `core.updates.Why`. Caught by `store.keys`, `update.district` and `cli.lists_bundles`, which keep what is in force.
    """

    def __init__(self, text: str, why: str = "signature") -> None:
        super().__init__(text)
        self.why = why


class Refused(FilterdError):  # noqa: N818  a rule that holds is no error of anybody's
    """A request that a rule forbids: `rule` in one word for programs (scope, role, floor, too-long, past...), and a
    sentence of what would be possible, or "". Caught by `cli.override`, which says both.
    """

    def __init__(self, rule: str, text: str, possible: str = "") -> None:
        super().__init__(f"{text}; {possible}" if possible else text)
        self.rule = rule
        self.text = text
        self.possible = possible


class BusyError(FilterdError):
    """Another process is writing the lists. Caught by `cli`, which says so and ends; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the configuration: where, what was seen and what was expected."""

    where: str  # "policies/classes.yaml:14 classrooms[2].tier"
    what: str  # "'thsc' is not a tier; did you mean 'thcs'?"

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class ConfigError(FilterdError):
    """Every mistake of a configuration at once. Caught by `cli` (exit 2) and `live` (keeps the last good one)."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
