"""How often somebody may try a password."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core.attempts import ACCOUNT, ADDRESS, ALL, PAIR, Attempts

HOME, ELSEWHERE = "10.20.71.7", "10.20.72.9"


def tries(attempts: Attempts, account: str, address: str, count: int, now: float = 0.0) -> int:
    """How many of so many may be made."""
    return sum(attempts.wait_s(account, address, now) == 0 for _ in range(count))


def test_five_tries_a_minute_for_an_account_from_one_address() -> None:
    attempts = Attempts()
    assert tries(attempts, "an", HOME, 50) == 5
    assert attempts.wait_s("an", HOME, 0) == pytest.approx(12)
    assert attempts.wait_s("an", HOME, 11.9) > 0
    assert attempts.wait_s("an", HOME, 12.1) == 0
    assert attempts.wait_s("an", HOME, 12.1) > 0
    assert tries(attempts, "an", HOME, 50, now=1000) == 5


def test_one_address_guesses_at_many_accounts_no_faster() -> None:
    attempts = Attempts()
    assert sum(tries(attempts, f"a{number}", HOME, 1) for number in range(500)) == ADDRESS.most


def test_many_addresses_guess_at_one_account_no_faster() -> None:
    attempts = Attempts()
    assert sum(tries(attempts, "an", f"10.0.{n // 250}.{n % 250}", 1) for n in range(500)) == ACCOUNT.most


def test_many_addresses_guess_at_many_accounts_no_faster_than_the_log_may_grow() -> None:
    attempts = Attempts()
    made = sum(tries(attempts, f"a{n}", f"10.0.{n // 250}.{n % 250}", 1) for n in range(1000))
    assert made == ALL.most
    assert attempts.wait_s("", "", 0) > 0


def test_nobody_locks_a_teacher_out_where_she_came_in_before() -> None:
    attempts = Attempts()
    assert attempts.wait_s("an", HOME, 0) == 0
    attempts.came_in("an", HOME)
    for number in range(500):
        attempts.wait_s("an", f"10.0.0.{number % 250}", 1)
    assert attempts.wait_s("an", ELSEWHERE, 2) > 0
    assert attempts.wait_s("an", HOME, 2) == 0


def test_coming_in_begins_the_count_anew() -> None:
    attempts = Attempts()
    for _ in range(3):
        assert tries(attempts, "an", HOME, 4) == 4
        attempts.came_in("an", HOME)


@pytest.mark.parametrize(
    ("address", "other"),
    [
        ("fd00:20:71::7", "fd00:20:71::8"), ("fd00:20:71::7", "fd00:20:71:0:ffff:ffff:ffff:ffff"),
        ("10.20.71.7", "::ffff:10.20.71.7"), ("fe80::1%eth0", "fe80::2%eth1"),
    ],
    ids=["privacy addresses", "the far end of the /64", "IPv4 written as IPv6", "link-local"],
)  # fmt: skip
def test_one_client_with_many_addresses_is_one(address: str, other: str) -> None:
    attempts = Attempts()
    assert tries(attempts, "an", address, 5) == 5
    assert attempts.wait_s("an", other, 0) > 0


def test_memory_is_bounded_and_filling_it_buys_no_try() -> None:
    attempts = Attempts(max_keys=100)
    assert tries(attempts, "an", HOME, 5) == 5
    for number in range(10_000):
        attempts.wait_s(f"a{number}", f"10.{number // 250}.{number % 250}.1", 0)
    assert 90 < len(attempts) <= 100
    assert attempts.wait_s("an", HOME, 0) > 0  # its bucket was not forgotten
    assert attempts.wait_s("new", "10.99.99.99", 1) == PAIR.per_s
    assert attempts.wait_s("new", "10.99.99.99", 10 * ACCOUNT.per_s) == 0


def test_a_clock_that_steps_back_gives_nothing_and_takes_nothing() -> None:
    attempts = Attempts()
    assert tries(attempts, "an", HOME, 5, now=100) == 5
    assert attempts.wait_s("an", HOME, 0) > 0
    assert attempts.wait_s("an", HOME, 113) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([HOME, ELSEWHERE]), st.floats(0, 20)), max_size=60))
def test_in_no_order_does_a_pair_get_more_than_its_rate(steps: list[tuple[str, str, float]]) -> None:
    attempts, now = Attempts(), 0.0
    made: dict[tuple[str, str], int] = {}
    for account, address, pause in steps:
        now += pause
        if attempts.wait_s(account, address, now) == 0:
            made[account, address] = made.get((account, address), 0) + 1
    for count in made.values():
        assert count <= PAIR.most + now * PAIR.most / PAIR.per_s + 1e-6
