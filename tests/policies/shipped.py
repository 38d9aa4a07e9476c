"""Where the shipped files are, and how tests look into them.

Lists of other projects are looked at only where `../shared/data` exists beside the repository.
"""

from __future__ import annotations

from pathlib import Path

from filterd.core import names
from filterd.core.policy import Policy, Profile, Service

ROOT = Path(__file__).resolve().parents[2]
BLOCKLISTS = ROOT / "blocklists"
DATA = ROOT.parent / "shared" / "data"

TIERS = ("mam-non", "tieu-hoc", "thcs", "thpt", "staff", "guest")
PUPILS = ("mam-non", "tieu-hoc", "thcs", "thpt")


def service(policy: Policy, wanted: str) -> Service:
    return next(s for s in policy.services if s.id == wanted)


def profile(policy: Policy, wanted: str) -> Profile:
    return next(p for p in policy.profiles if p.id == wanted)


def covers(rule: str, name: str) -> bool:
    """Whether a policy name (`x` or `=x`) covers `name`, itself perhaps a rule: as the table's keys do."""
    exact, rule, name = rule.startswith("="), rule.lstrip("="), name.lstrip("=")
    return name == rule or (not exact and names.key_of_text(name).startswith(names.key_of_text(rule)))


def curated(name: str) -> list[str]:
    lines = (BLOCKLISTS / "curated" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
