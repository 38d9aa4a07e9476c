import datetime
import zoneinfo

import click
import pytest

from filterd.cli.times import moment

HANOI = zoneinfo.ZoneInfo("Asia/Ho_Chi_Minh")


@pytest.mark.parametrize("text", ["2026-11-23 09:10", "2026-11-23T09:10"])
def test_a_time_is_the_school_s(text):
    assert moment(text, "Asia/Ho_Chi_Minh") == datetime.datetime(2026, 11, 23, 9, 10, tzinfo=HANOI).timestamp()


def test_a_time_alone_is_today_s():
    found = datetime.datetime.fromtimestamp(moment("09:10", "Asia/Ho_Chi_Minh"), HANOI)
    assert (found.hour, found.minute, found.second) == (9, 10, 0)
    assert abs(found.timestamp() - datetime.datetime.now(HANOI).timestamp()) <= 86400


@pytest.mark.parametrize("text", ["", "9h10", "2026-02-30 09:10", "25:00", "23/11/2026 09:10"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(click.BadParameter, match="is not a time like"):
        moment(text, "Asia/Ho_Chi_Minh")
