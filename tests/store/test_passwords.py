"""Passwords and tokens: chance, hashes, one time for every answer."""

from __future__ import annotations

import re
import statistics
import threading
import time

import pytest

from filterd.errors import Refused
from filterd.store import passwords

STORED = passwords.hashed("ba con mèo đen")


def test_a_hash_is_argon2id_with_its_costs_and_without_the_password() -> None:
    assert STORED.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert "mèo" not in STORED
    assert passwords.hashed("ba con mèo đen") != STORED


@pytest.mark.parametrize(
    ("stored", "password", "fits"),
    [
        (STORED, "ba con mèo đen", True),
        (STORED, "ba con me\u0300o đen", True),
        (STORED, "ba con mèo đen ", False),
        (STORED, "", False),
        (STORED, "ba con mèo đen" + " " * 9999, False),
        (STORED, "\ud800", False),
        (STORED, "a\0b", False),
        ("", "ba con mèo đen", False),
        ("", "", False),
        ("plain", "plain", False),
        ("$argon2id$v=19$m=19456,t=2,p=1$AAAA", "x", False),
    ],
    ids=["right", "accents typed apart", "one more", "nothing", "endless", "half a letter", "a zero", "no account",
         "nobody's nothing", "a hash that is none", "half a hash"],
)  # fmt: skip
def test_only_the_password_fits(stored: str, password: str, fits: bool) -> None:
    assert passwords.fits(stored, password) is fits


def test_an_account_that_is_not_there_takes_as_long_as_a_wrong_password() -> None:
    def took(stored: str) -> float:
        start = time.perf_counter()
        passwords.fits(stored, "wrong wrong wrong")
        return time.perf_counter() - start

    took("")
    pairs = [(took(""), took(STORED)) for _ in range(9)]
    nobody, somebody = (statistics.median(times) for times in zip(*pairs, strict=True))
    assert 0.5 < nobody / somebody < 2


def test_one_hash_at_a_time() -> None:
    with passwords._ONE_AT_A_TIME:
        waiting = threading.Thread(target=passwords.fits, args=(STORED, "x"))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
    waiting.join(10)
    assert not waiting.is_alive()


def test_what_is_printed_once_is_chance_and_can_be_read_aloud() -> None:
    made = {passwords.one_time() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"([a-hjkmnp-z2-9]{4}-){3}[a-hjkmnp-z2-9]{4}", password) for password in made)


def test_a_token_is_256_random_bits_that_a_shell_takes() -> None:
    made = {passwords.new_token() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"filterd-[A-Za-z0-9_-]{43}", token) for token in made)
    assert len({passwords.token_id() for _ in range(200)}) == 200


@pytest.mark.parametrize(
    "password", ["", "ngắn", "123456789", "x" * 257, "aaaaaaaaaaaa", "nguyenannguyenan", "Binh-An-2026", "ababababab"],
    ids=["nothing", "short", "nine", "too long", "one letter", "the id again and again", "the name", "two letters"],
)  # fmt: skip
def test_a_password_that_is_easy_to_guess_is_refused(password: str) -> None:
    with pytest.raises(Refused) as caught:
        passwords.must_do(password, "nguyenan", "binh-an")
    assert caught.value.rule == "weak"


@pytest.mark.parametrize("password", ["ba con mèo đen", "k7mp-x2qa-9wfz", "mưa rơi trên mái tôn"])
def test_a_password_of_words_does(password: str) -> None:
    passwords.must_do(password, "nguyenan", "Nguyễn Thị An")
