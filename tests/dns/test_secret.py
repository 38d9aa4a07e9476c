"""Secrets: one at the start, another each day, and the one before still good."""

from __future__ import annotations

from filterd.dns.secret import ROLL_S, Secrets


def test_every_start_has_a_secret_of_its_own() -> None:
    (one,), (other,) = Secrets(0.0).to_json(), Secrets(0.0).to_json()
    assert len(bytes.fromhex(one)) == 16
    assert one != other


def test_a_secret_is_rolled_once_a_day_and_the_one_before_is_kept() -> None:
    secrets = Secrets(1000.0)
    seen = secrets.to_json()
    assert not secrets.roll(1000.0 + ROLL_S - 1)
    assert secrets.to_json() == seen
    for day in range(1, 5):
        assert secrets.roll(1000.0 + day * ROLL_S)
        assert not secrets.roll(1000.0 + day * ROLL_S + 1)
        new, old = secrets.to_json()
        assert old == seen[0]
        assert new not in seen
        seen = [new, *seen]
