"""Which registrable domain a name belongs to: `www.example.co.uk` to `example.co.uk` (publicsuffix.org).

Pure: the lines of the public suffix list are handed in, both its sections, since whoever gets a name below
`vercel.app` or `github.io` runs a site of his own.
"""

from __future__ import annotations

from collections.abc import Iterable

from filterd.core import names, special

# In the list, yet they deliver parts of sites that people know: each is one site here, or its parts would be new daily.
DELIVERY = (
    "akamai.net",
    "akamaiedge.net",
    "akamaihd.net",
    "akamaiorigin.net",
    "akamaized.net",
    "amazonaws.com",
    "azureedge.net",
    "cloudfront.net",
    "edgekey.net",
    "edgesuite.net",
    "fastly.net",
    "fastlylb.net",
)
NO_SITE = b""
_SUFFIX, _WALK = 1, 2  # a head that is a suffix with no rule below it; one that needs a closer look


class Sites:
    """Names keys to the keys of their registrable domains. Most names need no more than two look-ups."""

    __slots__ = ("_excepted", "_heads", "_odd", "_own", "_suffixes", "_tops", "_wild", "own")

    def __init__(self, rules: Iterable[str], own: tuple[str, ...] = ()) -> None:
        """From lines of the list (`com`, `*.ck`, `!www.ck`, `// comment`); names in the zones `own` are no sites."""
        self.own = own
        delivery = {names.key_of_text(name) for name in DELIVERY}
        suffixes: set[bytes] = set()
        wild: set[bytes] = set()
        excepted: set[bytes] = set()
        for line in rules:
            rule = line.split(maxsplit=1)[0] if line.strip() else "//"
            if rule.startswith("//"):
                continue
            key = names.key_of_text(names.normal(rule.removeprefix("!").removeprefix("*.")))
            if names.closest(key, delivery) is None:
                (excepted if rule.startswith("!") else wild if rule.startswith("*.") else suffixes).add(key)
        self._suffixes = frozenset(suffixes | wild)  # the parent of a wildcard too, as in the reference tests
        self._wild = frozenset(wild)
        self._excepted = frozenset(excepted)
        self._own = frozenset(map(names.key_of_text, own)) | {b"arpa."}
        self._odd = frozenset(map(names.head, self._own)) | special.HEADS
        # Below heads and tops that are in neither, the site is the head itself.
        long = [key for key in (*suffixes, *wild, *excepted, *self._own) if key.count(b".") > 1]
        deeper = {names.head(key) for key in (*wild, *excepted, *self._own, *suffixes) if names.head(key) != key}
        deeper |= wild | excepted | self._odd
        self._heads = {names.head(key): _WALK if names.head(key) in deeper else _SUFFIX for key in (*long, *self._odd)}
        self._tops = frozenset(key for key in (*wild, *self._own, *special.HEADS) if key.count(b".") == 1)

    def site(self, key: bytes) -> bytes:
        """Key of the registrable domain; `NO_SITE` for a public suffix, a single label, special and own names."""
        first = key.find(b".") + 1
        second = key.find(b".", first) + 1
        head = key[:second]
        below = self._heads.get(head)
        if below == _SUFFIX:
            return key[: key.find(b".", second) + 1]
        if below is None and key[:first] not in self._tops:
            return head
        odd = head in self._odd or key[:first] in self._odd
        if odd and (names.closest(key, self._own) is not None or special.special(key) is not None):
            return NO_SITE
        return self._walk(key, first)

    def _walk(self, key: bytes, end: int) -> bytes:
        """By the longest rule that matches; without one, the top level, which ends at `end`, is a suffix."""
        suffix_end = end
        while 0 < end < len(key):
            before = key[:end]
            end = key.find(b".", end) + 1
            part = key[:end]
            if part in self._excepted:
                return part
            if part in self._suffixes or before in self._wild:
                suffix_end = end
        return key[: key.find(b".", suffix_end) + 1]
