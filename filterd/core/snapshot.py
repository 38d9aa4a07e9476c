"""Table + policy + overrides at one generation: what `decide` reads. Immutable; a change makes a new one."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Protocol

from filterd.core import local, matrix, names, special
from filterd.core.classrooms import Classrooms
from filterd.core.ddr import Ddr
from filterd.core.local import Leases, LocalData
from filterd.core.matrix import Index, Matrix, Row
from filterd.core.overrides import Overrides
from filterd.core.policy import Policy
from filterd.core.table import Table


class Seen(Protocol):
    """What this school has asked for before (`firstseen`). The one part of a snapshot that goes on changing."""

    def is_new(self, key: bytes) -> bool: ...
    def note(self, key: bytes, client: bytes = b"") -> None: ...


class Snapshot:
    """`index` and `classrooms` follow the policy, `matrix` the overrides and the clock, `table` the lists."""

    __slots__ = (
        "_by_bit",
        "_own",
        "box_key",
        "categories",
        "classrooms",
        "ddr",
        "heads",
        "index",
        "judges_addresses",
        "leases",
        "local",
        "matrix",
        "overrides",
        "policy",
        "routes",
        "seen",
        "table",
        "trusted",
    )

    def __init__(
        self,
        policy: Policy,
        table: Table,
        overrides: Overrides,
        now: float,
        before: Snapshot | None = None,
        seen: Seen | None = None,
        leases: Leases = (),
    ) -> None:
        self.policy = policy
        self.seen = seen
        self.table = table
        self.overrides = overrides
        extra = tuple(c.id for c in policy.categories if c.id not in table.categories)
        self.categories = table.categories + extra
        same = before is not None and before.policy is policy and before.categories == self.categories
        self.index: Index = before.index if before and same else Index(policy, self.categories)
        self.classrooms: Classrooms = (
            before.classrooms if before and same else Classrooms(policy.places, policy.networks)
        )
        self.matrix: Matrix = matrix.build(self.index, overrides, now)
        self.leases: Leases = leases
        self.local: LocalData | None = local.build(policy.local, leases, before.local if before else None)
        self.ddr: Ddr | None = Ddr(policy.encrypted) if policy.encrypted is not None else None
        box = policy.block_answer.box_name
        self.box_key = names.key_of_text(box) if box else None
        # A name whose head is not among these has no meaning of its own and no rule: most names, for two look-ups.
        self.heads = special.HEADS | self.index.heads | ({names.head(self.box_key)} if self.box_key else set())
        for more in (self.local, self.ddr):
            if more is not None:
                self.heads = self.heads | more.heads
        # Zones with upstreams of their own are never special, and may hold private addresses as `rebinding.allow` may.
        self.routes = frozenset(names.key_of_text(route.zone) for route in policy.routes)
        networks = (ip_network(network) for network in policy.networks)
        self._own = tuple((n.version, int(n.netmask), int(n.network_address)) for n in networks if not n.is_private)
        self.judges_addresses = table.has_addresses or bool(self._own)
        self.trusted = self.routes | {names.key_of_text(name) for name in policy.rebinding.allow}
        self._by_bit = [(self.index.bits((c.id,)), c.id) for c in policy.categories]

    def at(self, now: float) -> Snapshot:
        """The same inputs at another moment (Unix seconds)."""
        return Snapshot(self.policy, self.table, self.overrides, now, before=self, seen=self.seen, leases=self.leases)

    def is_own(self, packed: bytes) -> bool:
        """Whether an address (4 or 16 bytes) is in one of the school's networks, as far as these are public ones."""
        version, value = 4 if len(packed) == 4 else 6, int.from_bytes(packed, "big")
        return any(version == v and value & mask == base for v, mask, base in self._own)

    def is_inside(self, key: bytes) -> bool:
        """Whether a name leads to the school's own devices, this box or the asker's own machine."""
        if key == self.box_key or special.special(key) is special.Special.LOCALHOST:
            return True
        return self.local is not None and self.local.covers(key)

    def row_of_place(self, place: int | None) -> Row | None:
        """The row of a place's index; of unknown clients for None, which is None where the policy refuses them."""
        return self.matrix.unknown if place is None else self.matrix.by_place[place]

    def successors(self, row: Row, later: Snapshot) -> set[Row]:
        """The rows that the clients of `row` have in a later snapshot of the same policy."""
        pairs = set(zip(self.matrix.by_place, later.matrix.by_place, strict=True))
        pairs.add((self.matrix.unknown or row, later.matrix.unknown or row))
        return {after for before, after in pairs if before is row}

    def category_of(self, mask: int) -> str:
        """The first category of a mask that is not 0, in the policy's order."""
        for bit, category in self._by_bit:
            if mask & bit:
                return category
        return self.categories[(mask & -mask).bit_length() - 1]
