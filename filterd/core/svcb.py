"""Placeholder until the editor of SVCB answers is here."""

from __future__ import annotations

from collections.abc import Callable

from filterd.core.wire import Answer


def edited(
    answer: Answer, question: bytes, strip_ech: bool, strip_h3: bool, refuse: Callable[[bytes], bool] | None
) -> Answer:
    return answer
