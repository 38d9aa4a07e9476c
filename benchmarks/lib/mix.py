"""Owns the names and the queries of a run: every byte follows from SEED, so two runs ask the same questions.

Files go to a cache directory and are made once. Nothing here comes from a real list. A name's number is scrambled by
a bijection and spelt in syllables, so millions of names are distinct without remembering any of them.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SEED = 20261121
MIX_NAMES = 24_000
BLOCKED_SHARE = 0.17
ZIPF_EXPONENT = 1.0
MIX_LINES = 300_000
CLASS_LINES = 30_000
MISS_LINES = 500_000
DISTINCT_NAMES = 200_000
CLASSES = 20
TYPES = ("A",) * 7 + ("AAAA",) * 2 + ("HTTPS",)

_SPACE = 1 << 24  # four syllables out of 64
_SCRAMBLE = 0x9E3779  # odd, therefore a bijection modulo a power of two
_SYLLABLES = [c + v for c in "bcdfghjklmnprstv" for v in "aeio"]
_WORDS = ("", "", "", "bet", "cam", "club", "live", "xx", "-vip", "88", "hub", "-tv", "slot", "365", "show", "69")
_TLDS = ("com", "com", "com", "net", "org", "xyz", "vn", "com.vn", "info", "top", "online", "ru", "site", "io", "club")
_SUBS = ("", "", "", "", "www.", "m.", "cdn.", "api.", "static.", "img1.")
_FIRST_ALLOWED = 8_000_000  # numbers from here on are never in a table
_FIRST_MISS = 9_000_000


def name(number: int) -> str:
    """Domain name number 0 to 2^24 - 1; different numbers give different names."""
    code = (number * _SCRAMBLE + 0x5BD1E9) % _SPACE
    syllables = (_SYLLABLES[code >> shift & 63] for shift in (18, 12, 6, 0))
    pick = random.Random(SEED + number).random()
    word = _WORDS[int(pick * 1e3) % len(_WORDS)]
    return f"{_SUBS[int(pick * 1e7) % len(_SUBS)]}{''.join(syllables)}{word}.{_TLDS[int(pick * 1e5) % len(_TLDS)]}"


def table_names(count: int) -> Iterator[str]:
    """The blocked names of a table of `count`; the first million of any table are the same."""
    return map(name, range(count))


@functools.cache
def zipf_mix() -> list[str]:
    """The MIX_NAMES names that are asked, most popular first; every sixth or so is blocked, evenly over the ranks."""
    blocked = allowed = 0
    names = []
    for rank in range(MIX_NAMES):
        if int((rank + 1) * BLOCKED_SHARE) > int(rank * BLOCKED_SHARE):
            names.append(("", "www.")[blocked % 2] + name(blocked * 211))  # spread over the first million
            blocked += 1
        else:
            names.append(name(_FIRST_ALLOWED + allowed))
            allowed += 1
    return names


def is_blocked_rank(rank: int) -> bool:
    """Whether the name at this rank of `zipf_mix` is in the tables."""
    return int((rank + 1) * BLOCKED_SHARE) > int(rank * BLOCKED_SHARE)


def kind_of_rank(rank: int) -> str:
    """The type this name is asked for. One a name, so that 24,000 names are 24,000 different questions."""
    return TYPES[rank * 7 % len(TYPES)]


def queries(ranks: list[int], names: list[str], count: int, seed: int, *, all_types: bool = False) -> Iterator[str]:
    """`count` lines "name type" for dnsperf, names drawn by Zipf's law from those at `ranks`.

    With `all_types` a name is asked for every type now and then, as browsers do: three times as many questions.
    """
    draw = random.Random(SEED + seed)
    weights = list(itertools.accumulate(1 / (rank + 1) ** ZIPF_EXPONENT for rank in ranks))
    for rank in draw.choices(ranks, cum_weights=weights, k=count):
        yield f"{names[rank]} {draw.choice(TYPES) if all_types else kind_of_rank(rank)}"


def misses(salt: int, count: int, *, one_domain: bool = False) -> Iterator[str]:
    """`count` queries that no server has seen: random domains, or random names below one (a water-torture attack)."""
    draw = random.Random(f"{SEED} {salt} {one_domain}")
    for _ in range(count):
        label = f"{draw.getrandbits(60):015x}"
        below = "victim.example.com" if one_domain else name(_FIRST_MISS + draw.getrandbits(20))
        yield f"{label}.{below} A"


@dataclass(frozen=True)
class Files:
    """Where the generated files are; each is made when first asked for."""

    root: Path

    def table(self, count: int) -> Path:
        """One blocked name a line."""
        return self._made(f"names-{count}.txt", table_names(count) if count else iter(()))

    def mix(self, salt: int, kind: str = "mix") -> Path:
        """Queries for one client: `mix`, `allowed`, `blocked` or `types`. Another `salt` is another draw of them."""
        return self._made(f"queries-{kind}-{salt}.txt", _of_kind(kind, MIX_LINES, 1000 * salt))

    def classes(self, salt: int) -> list[Path]:
        """Queries for each of the CLASSES clients, drawn separately from the same names."""
        return [
            self._made(f"class-{c}-{salt}.txt", _of_kind("mix", CLASS_LINES, 1000 * salt + 1 + c))
            for c in range(CLASSES)
        ]

    def warm(self) -> Path:
        """Every question of the mix once."""
        return self._made("warm.txt", (f"{name} {kind_of_rank(rank)}" for rank, name in enumerate(zipf_mix())))

    def miss(self, salt: int, *, one_domain: bool = False) -> Path:
        """Queries never asked before; take another `salt` for each round a server lives through."""
        kind = "below" if one_domain else "miss"
        return self._made(f"{kind}-{salt}.txt", misses(salt, MISS_LINES, one_domain=one_domain))

    def class_misses(self, salt: int) -> list[Path]:
        """As `miss`, for each of the CLASSES clients."""
        return [
            self._made(f"miss-{salt}-class-{c}.txt", misses(1000 * salt + 500 + c, CLASS_LINES)) for c in range(CLASSES)
        ]

    def distinct(self) -> Path:
        """DISTINCT_NAMES different names, a part of them blocked, each asked once."""
        step = int(1 / BLOCKED_SHARE)
        lines = (name(i if i % step == 0 else _FIRST_ALLOWED + i) + " A" for i in range(DISTINCT_NAMES))
        return self._made("distinct.txt", lines)

    def _made(self, name: str, lines: Iterable[str]) -> Path:
        path = self.root / name
        if not path.exists():
            self.root.mkdir(parents=True, exist_ok=True)
            half = path.with_suffix(".part")
            with half.open("w") as out:
                out.writelines(line + "\n" for line in lines)
            half.rename(path)
        return path


def _of_kind(kind: str, count: int, seed: int) -> Iterator[str]:
    wanted = {"allowed": (False,), "blocked": (True,)}.get(kind, (True, False))
    ranks = [rank for rank in range(MIX_NAMES) if is_blocked_rank(rank) in wanted]
    return queries(ranks, zipf_mix(), count, seed, all_types=kind == "types")
