"""Which names are public suffixes (publicsuffix.org): nobody's own site, so never to be blocked by one list line.

Pure: the text of the public suffix list is handed in, both its sections (ICANN and private), because blocking
`github.io` or `blogspot.com` closes thousands of unrelated sites just as `co.uk` does.
"""

from __future__ import annotations

from collections.abc import Iterable

from filterd.core import names

# Not in the public suffix list, yet as shared: hosting, storage and delivery that real lists blocked whole by mistake.
# A list that means them says `tld_list: true`.
SHARED_HOSTS = (
    "000webhostapp.com",
    "amazonaws.com",
    "azureedge.net",
    "core.windows.net",
    "fastly.net",
    "glitch.me",
    "googleapis.com",
    "googleusercontent.com",
    "sites.google.com",
    "storage.googleapis.com",
    "weebly.com",
    "weeblysite.com",
    "windows.net",
)


class Suffixes:
    """A test for keys (`io.github.`). `listed` and `wild_labels` let `keys` pass most names with two set look-ups."""

    __slots__ = ("_excepted", "_names", "_parents", "_wild", "listed", "wild_labels")

    def __init__(self, rules: Iterable[str]) -> None:
        """From lines of the list: `com`, `*.ck`, `!www.ck`, `// comment`.

        The parent of a wildcard counts as a suffix too (`kawasaki.jp` of `*.kawasaki.jp`), as in the reference tests.
        """
        plain: set[bytes] = set()
        wild: set[bytes] = set()
        excepted: set[bytes] = set()
        for line in rules:
            rule = line.split(maxsplit=1)[0] if line.strip() else "//"
            if rule.startswith("!"):
                excepted.add(_key(rule[1:]))
            elif rule.startswith("*."):
                wild.add(_key(rule[2:]))
            elif not rule.startswith("//"):
                plain.add(_key(rule))
        self._wild = frozenset(wild)
        self._excepted = frozenset(excepted)
        self.listed = frozenset(plain | wild)
        self.wild_labels = frozenset(key.split(b".")[-2] for key in wild)  # the first label of each wildcard's parent
        self._names = frozenset(map(_name, self.listed))
        self._parents = frozenset(map(_name, wild))

    def in_wildcard(self, key: bytes) -> bool:
        """Whether a wildcard rule makes this key a suffix."""
        return key[: key.rfind(b".", 0, -1) + 1] in self._wild and key not in self._excepted

    def __call__(self, key: bytes) -> bool:
        return key in self.listed or self.in_wildcard(key)

    def among(self, texts: list[bytes]) -> set[bytes]:
        """Those of these names (`github.io`, in lower case) that may be suffixes: each is to be asked about."""
        found = set(self._names.intersection(texts))
        if not self._parents.isdisjoint([text.partition(b".")[2] for text in texts]):
            found.update(text for text in texts if text.partition(b".")[2] in self._parents)
        return found


def _key(rule: str) -> bytes:
    return names.key_of_text(names.normal(rule))


def _name(key: bytes) -> bytes:
    return b".".join(reversed(key[:-1].split(b".")))
