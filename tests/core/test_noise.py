"""Random bytes by the page: never the same ones twice."""

from __future__ import annotations

from filterd.core.noise import PAGE_BYTES, Noise


def test_bytes_are_given_out_once_and_fetched_by_the_page():
    calls = []

    def source(size: int) -> bytes:
        calls.append(size)
        return bytes((len(calls),)) * size

    noise = Noise(source)
    taken = [noise.take(1000) for _ in range(6)]
    assert calls == [PAGE_BYTES, PAGE_BYTES]
    assert taken == [b"\1" * 1000] * 4 + [b"\2" * 1000] * 2
