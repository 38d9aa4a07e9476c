from pathlib import Path

import pytest

from filterd.update import clock

DAY = 86400
GOOD = clock.RELEASED + 100 * DAY


@pytest.mark.parametrize(
    ("now", "saved", "synchronized", "trusted"),
    [
        pytest.param(0, None, False, False, id="1970"),
        pytest.param(clock.RELEASED - 1, None, True, False, id="before this program existed, whoever set it"),
        pytest.param(GOOD, None, False, True, id="nothing saved yet"),
        pytest.param(GOOD, GOOD - DAY, False, True, id="a day after the last run"),
        pytest.param(GOOD, GOOD + DAY, False, False, id="before the last run"),
        pytest.param(GOOD, GOOD + DAY, True, True, id="before the last run, but a time server said so"),
        pytest.param(GOOD, GOOD + 30 * 365 * DAY, False, True, id="the last run was in a future that is none"),
        pytest.param(GOOD + 30 * 365 * DAY, None, True, False, id="thirty years on"),
        pytest.param(GOOD, "yesterday", False, True, id="a status that somebody else wrote"),
    ],
)
def test_a_clock_is_trusted(tmp_path: Path, now, saved, synchronized, trusted):
    marker = tmp_path / "synchronized"
    if synchronized:
        marker.touch()
    assert clock.is_trusted(now, {} if saved is None else {"ended_at": saved}, marker) is trusted


def test_a_moment_is_shown_in_utc():
    assert clock.shown(0) == "1970-01-01 00:00 UTC"
