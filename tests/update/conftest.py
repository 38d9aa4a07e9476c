"""A web server with two lists, and a school whose box fetches them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.update.boxes import FIRST, GAMES, MORE, Box, body
from tests.update.webserver import WebServer


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer({"/games.txt": FIRST, "/more.txt": body(50, 1000)}) as server:
        yield server


@pytest.fixture
def box(tmp_path: Path, web: WebServer) -> Box:
    return Box(tmp_path, web, GAMES, MORE)
