"""All formats by the name `sources.yaml` gives them, and the guess for `auto`.

The guess lets each line of the head vote for the format whose marks it bears; a plain name votes for nobody. It only
has to tell honest lists apart: what it names is then read with the same error budget as a declared format. `cidr` is
never guessed: where names are expected, a list of addresses is the wrong file more often than not.
"""

from __future__ import annotations

from collections import Counter

from filterd.core.rules import adblock, cidr, dnsmasq, domains, hosts, rpz, unbound, v2fly
from filterd.core.rules.model import Format
from filterd.core.rules.report import shown
from filterd.core.updates import Why
from filterd.errors import ListError

UT1 = Format("ut1", domains.FORMAT.reader, comments=domains.FORMAT.comments, around=domains.FORMAT.around)
FORMATS = {
    f.name: f
    for f in (
        hosts.FORMAT,
        domains.FORMAT,
        domains.WILDCARD,
        adblock.FORMAT,
        rpz.FORMAT,
        dnsmasq.FORMAT,
        unbound.FORMAT,
        UT1,
        v2fly.FORMAT,
        cidr.FORMAT,
    )
}

_STARTS = (
    (b"||", "adblock"),
    (b"@@", "adblock"),
    (b"[adblock", "adblock"),
    (b"local=/", "dnsmasq"),
    (b"address=/", "dnsmasq"),
    (b"server=/", "dnsmasq"),
    (b"local-zone:", "unbound"),
    (b"local-data:", "unbound"),
    (b"full:", "v2fly"),
    (b"domain:", "v2fly"),
    (b"include:", "v2fly"),
    (b"keyword:", "v2fly"),
    (b"regexp:", "v2fly"),
    (b"*.", "wildcard"),
)
_RPZ_TYPES = frozenset({b"cname", b"soa"})
MAX_LINES = 1000


def detect(head: bytes) -> str | None:
    """The format that the first lines of a list are in, or None when they are in none of ours."""
    lines = head.splitlines()[:MAX_LINES]
    if len(head) > 1 and len(lines) > 1 and not head.endswith((b"\n", b"\r")):
        lines.pop()  # it may be cut
    votes: Counter[str] = Counter()
    for line in lines:
        votes[_vote(line.strip().lower())] += 1
    for name in ("", "?"):
        blank = votes.pop(name, 0)
    plain = votes.pop("domains", 0)
    if votes:
        name, count = votes.most_common(1)[0]
        # Lists of wildcards and v2fly files mix in bare names; in the others those are strays.
        mixed = name in ("wildcard", "v2fly")
        if count > blank and (mixed or 2 * count > plain):
            return name
    return "domains" if plain > blank else None


def _vote(line: bytes) -> str:
    if not line or line[0] in b"#!;":
        return ""
    for start, name in _STARTS:
        if line.startswith(start):
            return name
    words = line.split()
    if line.startswith((b"$ttl", b"$origin")) or (len(words) > 2 and not _RPZ_TYPES.isdisjoint(words[1:4])):
        return "rpz"
    if len(words) > 1 and words[1][:1] != b"#" and hosts.is_address(words[0]):
        return "hosts"
    if len(words) > 1 and words[1].startswith(b"@"):
        return "v2fly"
    alone = len(words) == 1 or words[1].startswith(b"#")
    return "domains" if alone and b"." in words[0] and not line.startswith(b"<") else "?"


def format_of(declared: str, head: bytes) -> Format:
    """The declared format, or the detected one for `auto`. Raises ListError when nothing fits."""
    name = declared if declared != "auto" else detect(head)
    if name is None:
        first = next((line for line in head.splitlines() if _vote(line.strip().lower())), b"")
        if not first:
            raise ListError("has no entries: blank lines and comments only", Why.EMPTY)
        raise ListError(f"is in no format known here; it begins with {shown(first[:60])!r}", Why.FORMAT)
    return FORMATS[name]
