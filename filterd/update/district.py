"""A district's bundle in place of a night's lists: found on a share or fetched by https, checked, probed, taken.

The index and its signature come first; the table is fetched only if it is newer than what this box took before.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filterd.core.bundle import MAX_INDEX_BYTES
from filterd.core.policy import Policy
from filterd.core.probe import probe
from filterd.core.probes import Probes
from filterd.core.source import Source
from filterd.core.table import Table
from filterd.core.updates import Why
from filterd.errors import TrustError
from filterd.store import bundles
from filterd.store.bundles import Gate, Offer
from filterd.update import trial
from filterd.update.fetch import Failure, Fetched, Fetcher

NAME: Final = "bundle"  # as the progress of a download calls it


@dataclass(frozen=True, slots=True)
class Taken:
    """A bundle that was taken. `generation`: of its table, here; `changed`: it was not in force before."""

    offer: Offer
    generation: str
    changed: bool


def update(
    state_dir: Path, place: str, fetcher: Fetcher | None, staging: Path, gate: Gate, keep: int, check: bundles.Probe
) -> Taken:
    """Take the bundle at `place` if it is newer. `staging`: an empty folder of `lists.staging`, under `lists.lock`.

    Raises TrustError, TableError or OSError saying why it is not taken; what was in force still is. Without `fetcher`
    only folders are looked at.
    """
    arrived = staging / "arrived"
    copied = staging / "copied"
    arrived.mkdir()
    copied.mkdir()
    folder, offer = fetch(place, fetcher, arrived, gate)
    generation = bundles.take(state_dir, folder, offer, copied, keep, gate.now, check)
    return Taken(offer, generation, not offer.in_force)


def fetch(place: str, fetcher: Fetcher | None, staging: Path, gate: Gate) -> tuple[Path, Offer]:
    """The folder with a bundle whose index may be believed, and what it offers. Its files are not checked yet.

    `place` is a folder's absolute path, or its https: URL: then it is fetched into `staging`, the table only if it is
    not in force already. Raises TrustError.
    """
    if "://" not in place:
        return Path(place), bundles.look(Path(place), gate)
    if fetcher is None:
        raise TrustError(f"{place} is not asked without the network", Why.NETWORK)
    try:
        offer = _index(place, fetcher, staging, gate)
    except TrustError as error:
        if error.why != Why.SIGNATURE:
            raise
        offer = _index(place, fetcher, staging, gate)  # an export may have come between the index and its signature
    if not offer.in_force:
        bundles.need_space(staging, offer.index)
        folder = staging / offer.index.folder
        folder.mkdir()
        for name, file in offer.index.files.items():
            _get(fetcher, f"{place.rstrip('/')}/{folder.name}/{name}", folder / name, file.size)
    return staging, offer


def prober(policy: Policy, probes: Probes, state_dir: Path, now: float) -> bundles.Probe:
    """What a bundle's table is asked before it is used: whether it would do a new wrong to this school.

    A name that the table in force blocks wrongly too, or lets through, is no reason against the new one. `now`: Unix
    seconds.
    """

    def check(table: Table) -> str:
        before = trial.in_force(state_dir)
        known = frozenset() if before is None else trial.wrongs(probe(policy, before, probes, now))
        fresh = [hit for hit in probe(policy, table, probes, now) if not trial.wrongs((hit,)) <= known]
        # Where there is no table, less than all that should be blocked is better than nothing.
        sins = [hit for hit in fresh if before is not None or hit.kind == "resolve"]
        more = f" (and {len(sins) - 1} more)" if len(sins) > 1 else ""
        return f"{trial.sentence(sins[0])}{more}" if sins else ""

    return check


def _index(place: str, fetcher: Fetcher, staging: Path, gate: Gate) -> Offer:
    for name, limit in ((bundles.INDEX, MAX_INDEX_BYTES), (bundles.SIGNATURE, bundles.MAX_SIGNATURE_BYTES)):
        _get(fetcher, f"{place.rstrip('/')}/{name}", staging / name, limit)
    return bundles.look(staging, gate)


def _get(fetcher: Fetcher, url: str, target: Path, limit: int) -> None:
    """One file of the bundle, as it came: its signature or its checksum is looked at later."""
    if limit == 0:
        target.touch()
        return
    source = Source(
        id=NAME,
        name=NAME,
        url=url,
        format="auto",
        category="",
        licence="",
        member=NAME,  # whatever it looks like, it is not unpacked
        allow_private=True,
        max_bytes=limit,
    )
    found = fetcher.fetch(source, None)
    if isinstance(found, Fetched):
        found.path.replace(target)
        return
    why = found.why if isinstance(found, Failure) else Why.STATUS
    text = found.text if isinstance(found, Failure) else "the server says that it was not modified"
    raise TrustError(f"{url}: {text}", why)
