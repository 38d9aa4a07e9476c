from __future__ import annotations

from filterd.core.updates import Why
from filterd.errors import FilterdError
from filterd.update.faults import FetchError


def test_a_fault_says_why_and_whether_to_ask_again() -> None:
    error = FetchError(Why.NETWORK, "it broke", again=True)
    assert (error.why, error.text, str(error), error.again) == (Why.NETWORK, "it broke", "it broke", True)
    assert error.retry_after_s is None


def test_it_never_leaves_the_update() -> None:
    assert not issubclass(FetchError, FilterdError)  # which `cli.main` would print
