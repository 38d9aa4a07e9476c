"""What an upstream is asked to find out whether it is well; `asker` says when, and reads what comes back."""

from __future__ import annotations

from filterd.core import loops, special
from filterd.core.noise import Noise
from filterd.core.servers import Plan
from filterd.core.upstreams import Upstream


def question(plan: Plan, index: int, upstream: Upstream, secrets: tuple[bytes, ...], noise: Noise) -> bytes:
    """QNAME, QTYPE and QCLASS for the upstream with this index: for a resolver a name that only we know, for a zone's
    own server that zone.

    A resolver that is down is asked for the root by turns: some forward `internal` to where nobody answers, and an
    upstream must not stay down for one name.
    """
    if index not in plan.routes[b""]:
        return special.soa_question(next(zone for zone, route in plan.routes.items() if index in route))
    if upstream.down and upstream.probes % 2 == 0:
        return special.soa_question(b"")
    random = noise.take(8)
    return loops.question(secrets[0] if secrets else random, random)
