"""The compiled last-good policy: `STATE/dns/policy.json`.

The dns parent writes it after YAML was found valid and compiled; workers read it, and so does a start with broken
YAML. Written beside and renamed, so a reader sees the old one or the new one. It carries a SHA-256 of itself: what
a bad disk altered is refused, never served.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from filterd.core.policy import Policy
from filterd.store import atomic

MAX_BYTES = 64 << 20


def path(state_dir: Path) -> Path:
    """Where the compiled policy of a state directory is."""
    return state_dir / "dns" / "policy.json"


def save(state_dir: Path, policy: Policy) -> None:
    """Publish a policy. Raises OSError; the previous one then stays."""
    body = json.dumps(policy.to_json(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    envelope = {"sha256": _digest(body), "policy": body}
    target = path(state_dir)
    target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    atomic.write(target, json.dumps(envelope, ensure_ascii=False).encode("utf-8"))


def load(state_dir: Path) -> Policy:
    """The policy last published. Raises FileNotFoundError (OSError) if none is, ValueError if it cannot be trusted."""
    with path(state_dir).open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"the compiled policy is larger than {MAX_BYTES >> 20} MiB")
    envelope = _json(data)
    body = envelope.get("policy") if isinstance(envelope, dict) else None
    if not isinstance(body, str) or not isinstance(envelope, dict) or envelope.get("sha256") != _digest(body):
        raise ValueError("the compiled policy was altered: its checksum does not fit")
    return Policy.from_json(_json(body.encode("utf-8")))


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()


def _json(data: bytes) -> dict[str, object]:
    try:
        return json.loads(data)  # type: ignore[no-any-return]
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the compiled policy is not JSON: {error}") from None
