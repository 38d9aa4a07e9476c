"""The words every list format shares: what a rule covers, why a line was not taken, what a reader returns.

A rule is `(key, code)`. The key is `names.key_of_text`'s subtree key, or that plus `$` for exactly one name; the code
says what the rule covers and whether it is an exception. Codes are small integers because millions pass by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

SUBTREE = 0  # the name and everything below it
EXACT = 1  # that name only
BELOW = 2  # everything below it, not the name itself
EXCEPTION = 4  # added to one of the above: takes away within its own source
COVERS_MASK = 3
CODES = 8
COVERS_NAMES = ("subtree", "exact", "below")
CODE_OF_COVERS = {name: code for code, name in enumerate(COVERS_NAMES)}

Rule = tuple[bytes, int]


class Kind(StrEnum):
    """Why a line gave no rule. Everything but COSMETIC and LOCAL is counted as refused and sampled."""

    MALFORMED = "malformed"
    TOO_LONG = "too-long"  # a label over 63 bytes or a name over 253
    IP = "ip"
    PATH = "path"  # a URL that names one page: blocking its host would block far more
    PORT = "port"
    BARE_TLD = "bare-tld"
    PUBLIC_SUFFIX = "public-suffix"
    PATTERN = "pattern"  # a wildcard anywhere but as the first label
    REGEX = "regex"
    KEYWORD = "keyword"
    MODIFIER = "modifier"  # adblock: means something only inside a browser
    REWRITE = "rewrite"  # an answer with a real address or another name: no block
    TRIGGER = "trigger"  # RPZ: by address or name server
    DIRECTIVE = "directive"  # a setting of the program the list was made for
    INCLUDE = "include"  # v2fly: another file that is not there
    COSMETIC = "cosmetic"  # adblock: hides page elements
    TOO_WIDE = "too-wide"  # cidr: a network that can only be a mistake
    PRIVATE = "private"  # cidr: addresses inside schools and homes
    LOCAL = "local"  # localhost and its kin, at the top of every hosts file


IGNORED = frozenset({Kind.COSMETIC, Kind.LOCAL})

Names = list[tuple[bytes, int]]
Found = bytes | Names | Kind | None
"""What a reader makes of a line: one name that covers what the format means, several names with their codes, the
reason for giving none, or None for a line that is no rule at all (a header)."""

Reader = Callable[[bytes], Found]
KeyOf = Callable[[bytes], "bytes | Kind"]
QuickKeyOf = Callable[[bytes], "bytes | None"]
Include = Callable[[str], "Iterable[bytes] | None"]


@dataclass(frozen=True, slots=True)
class Format:
    """How one format is read. `reader` makes a fresh reader, since RPZ remembers its origin from line to line."""

    name: str
    reader: Callable[[], Reader]
    covers: int = SUBTREE
    comments: bytes = b"#"  # a line that begins with one of these bytes is a comment
    indent: bool = False  # leading blanks mean something
    around: tuple[bytes, bytes] | None = None  # most lines are this, a plain name, and that: they need no reader
    addresses: bool = False  # keys are networks (`cidr`), not names
    longest_wins: bool = False  # between a block and an exception of one source; otherwise the exception wins


def without_comment(line: bytes) -> bytes:
    """The line up to a `#` that follows a blank: `x   #Gore` gives `x`, `x#y` stays."""
    at = line.find(b"#")
    while at > 0 and line[at - 1] not in b" \t":
        at = line.find(b"#", at + 1)
    return line if at < 0 else line[:at].rstrip()
