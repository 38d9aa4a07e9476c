"""Where an answer leads beside its CNAMEs: what DNAME, HTTPS and SVCB records send a client on to.

Part of `wire`, for the kinds of records that most answers do not have. All these names are judged, so an answer cannot
lead to a blocked site by another name. Raises nothing but WireError.
"""

from __future__ import annotations

from typing import Final

from filterd.core import svcparams
from filterd.core.private import is_private
from filterd.core.wirenames import read_name, skip_name
from filterd.errors import WireError

PRIVATE: Final = 1  # an address hint is private
SVCB_MARK: Final = 2  # there is an HTTPS or SVCB record
MAX_MORE: Final = 32  # targets beside CNAMEs; no honest answer has more, and every one costs a look-up
MAX_HINTS: Final = 256  # address hints in one answer: each is judged, for every client
MAX_DNAMES: Final = 11  # as many as CNAMEs
_QUESTION: Final = 12  # behind the header
_DNAME: Final = 39
_RRSIG: Final = 46
_SERVICE: Final = (64, 65)


def read(packet: bytes, start: int, ttls: list[int], chain: list[bytes]) -> tuple[tuple[bytes, ...], int, int]:
    """(targets beside those in `chain`, number of DNAME and RRSIG records, PRIVATE and SVCB_MARK bits).

    `ttls` are the offsets from `start` of the TTLs in the answer section, whose records lie inside the packet; `chain`
    are the targets of its CNAMEs. Targets are wire names in lower case, each once.
    """
    more: list[bytes] = []
    aside = bits = dnames = hints = 0
    owner = start
    for ttl in ttls:
        at = start + ttl
        kind = packet[at - 4] << 8 | packet[at - 3]
        data = at + 6
        end = data + (packet[at + 4] << 8 | packet[at + 5])
        if kind in _SERVICE:
            _, target, params = svcparams.read(packet, data, end)
            if target != b"\0":  # the owner itself, or no service at all (RFC 9460 section 2.5)
                _add(more, target.lower())
            addresses = svcparams.hints(params)
            hints += len(addresses)
            if hints > MAX_HINTS:
                raise WireError("too many address hints")
            bits |= SVCB_MARK | PRIVATE if any(map(is_private, addresses)) else SVCB_MARK
        elif kind == _DNAME:
            aside += 1
            dnames += 1
            if dnames > MAX_DNAMES:
                raise WireError("too many DNAMEs")
            _follow(packet, owner, data, end, [packet[_QUESTION : start - 4].lower(), *chain], more)
        elif kind == _RRSIG:
            aside += 1
        owner = end
    return tuple(more), aside, bits


def _follow(packet: bytes, owner: int, data: int, end: int, names: list[bytes], more: list[bytes]) -> None:
    """Add to `more` what the DNAME at `owner` makes of the names below it (RFC 6672 section 2.2).

    Servers send the CNAME that says the same, and it is judged too. A client may believe the DNAME alone, so the name
    is made here as well; of a DNAME that fits no name in the answer the target itself is added.
    """
    if skip_name(packet, data) != end:
        raise WireError("a DNAME's name does not fill its data")
    target = read_name(packet, data).lower()
    above = read_name(packet, owner).lower()
    made = [name[: -len(above)] + target for name in names if _is_below(name, above)]
    for name in made or [target]:
        _add(more, name if len(name) <= 255 else target)


def _is_below(name: bytes, above: bytes) -> bool:
    """Whether the wire name ends in the labels of `above` and has more; its last bytes alone do not tell."""
    at = 0
    while len(name) - at > len(above):
        at += 1 + name[at]
    return at > 0 and name[at:] == above


def _add(more: list[bytes], name: bytes) -> None:
    if name not in more:
        if len(more) == MAX_MORE:
            raise WireError("leads to too many names")
        more.append(name)


def check_chain(asked: bytes, chain: list[bytes]) -> None:
    """Raises WireError where CNAMEs lead back to the name `asked` (in lower case) or to one another."""
    if len({*chain, asked}) <= len(chain):
        raise WireError("a loop of CNAMEs")
