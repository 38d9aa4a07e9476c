"""How a fetch fails, between the modules that fetch: raised by `ask`, `resolve`, `connect`, `web` and `body`, made a
`fetch.Failure` by `fetch` and `offline`. Nobody else meets it.
"""

from __future__ import annotations

from filterd.core.updates import Why


class FetchError(Exception):
    """`text` is a sentence without the place; `again`: the same place may well do better in a moment."""

    def __init__(self, why: Why, text: str, again: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.why = why
        self.text = text
        self.again = again
        self.retry_after_s = retry_after_s
