"""One laboratory for each file, its upstream honest again before each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.lab import Lab, laboratory
from tests.upstreams import honest


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("lab")) as found:
        yield found


@pytest.fixture
def lab(running: Lab) -> Iterator[Lab]:
    running.upstream.script = honest
    running.upstream.held.clear()
    yield running
    assert running.server.metrics()["filterd_dns_internal_errors_total"] == 0
    assert "Traceback" not in running.server.log
