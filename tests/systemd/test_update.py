"""The units of the update promise: at night, at a minute of its own, with what nobody else wants, and no harm."""

from __future__ import annotations

import datetime
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from filterd.update.run import NEGATIVE, NO_TIME
from filterd.update.sources import DUE_S
from tests.systemd.test_units import WORST_SCORE, tool
from tests.systemd.units import AT_START, NIGHTLY, SERVICE, SYSTEMD, UPDATE, directives, value, values

PEAK_MB = 450  # of an update of 1.5 million lines
QUIET_GMT = (8, 19)  # hours in which makers of one list ask not to fetch it
WINDOW_H = (2, 5)  # local time


def seconds(text: str) -> int:
    """A time span of systemd.time(7), as far as our units use it."""
    found = re.fullmatch(r"(\d+)(s|min|h)", text)
    assert found is not None
    return int(found[1]) * {"s": 1, "min": 60, "h": 3600}[found[2]]


def test_service_is_exposed_at_most_1_5_of_10() -> None:
    command = [tool("systemd-analyze"), "security", "--offline=true", f"--threshold={WORST_SCORE}", str(UPDATE)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stdout + found.stderr


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    analyze = tool("systemd-analyze")
    for timer in (NIGHTLY, AT_START):
        shutil.copy(timer, tmp_path)
    text = UPDATE.read_text(encoding="utf-8").replace("/opt/filterd/venv/bin/python", sys.executable)
    (tmp_path / UPDATE.name).write_text(text, encoding="utf-8")
    command = [analyze, "verify", "--man=no", UPDATE.name, NIGHTLY.name, AT_START.name]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert "filterd-update" not in found.stderr


class TestWhen:
    def test_systemd_understands_the_hour(self) -> None:
        command = [tool("systemd-analyze"), "calendar", value(NIGHTLY, "OnCalendar")]
        found = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert found.returncode == 0, found.stderr
        assert "Next elapse" in found.stdout

    def test_it_starts_at_night_and_never_when_a_maker_asks_not_to_be_disturbed(self) -> None:
        found = re.fullmatch(r"\*-\*-\* (\d\d):(\d\d):00 (\S+)", value(NIGHTLY, "OnCalendar"))
        assert found is not None
        zone = ZoneInfo(found[3])
        first = datetime.datetime(2026, 9, 1, int(found[1]), int(found[2]), tzinfo=zone)
        latest = seconds(value(NIGHTLY, "RandomizedDelaySec")) + seconds(value(NIGHTLY, "AccuracySec"))
        last = first + datetime.timedelta(seconds=latest)
        assert WINDOW_H[0] <= first.hour <= last.hour < WINDOW_H[1]
        for moment in (first, last, last + datetime.timedelta(seconds=seconds(value(UPDATE, "TimeoutStartSec")))):
            assert not QUIET_GMT[0] <= moment.astimezone(datetime.UTC).hour < QUIET_GMT[1]

    def test_each_box_has_a_minute_of_its_own(self) -> None:
        assert value(NIGHTLY, "FixedRandomDelay") == "yes"
        assert seconds(value(NIGHTLY, "RandomizedDelaySec")) > 3600

    def test_a_box_that_was_off_at_night_catches_up_at_its_start(self) -> None:
        assert value(NIGHTLY, "Persistent") == "yes"
        assert value(AT_START, "Unit") == UPDATE.name
        longest = seconds(value(AT_START, "OnBootSec")) + seconds(value(AT_START, "RandomizedDelaySec"))
        assert longest <= 600, "before the first bell"

    def test_a_box_that_was_on_at_night_asks_nobody_at_its_start(self) -> None:
        assert 6 * 3600 < DUE_S < 24 * 3600

    @pytest.mark.parametrize("timer", [NIGHTLY, AT_START], ids=lambda timer: str(timer.name))
    def test_timers_are_started_with_the_box(self, timer: Path) -> None:
        assert value(timer, "WantedBy") == "timers.target"

    def test_it_waits_for_the_network_and_the_time(self) -> None:
        assert {"network-online.target", "time-set.target"} <= set(value(UPDATE, "After").split())
        assert value(UPDATE, "Wants") == "network-online.target"


class TestEnding:
    def test_only_a_box_without_the_time_tries_again(self) -> None:
        never = {*value(UPDATE, "RestartPreventExitStatus").split(), value(UPDATE, "SuccessExitStatus")}
        assert value(UPDATE, "Restart") == "on-failure"
        assert str(NO_TIME) not in never
        assert {"2", "SIGTERM", "SIGKILL", str(NEGATIVE)} <= never
        assert seconds(value(UPDATE, "RestartSec")) >= 300

    def test_what_was_held_is_no_failed_unit(self) -> None:
        assert value(UPDATE, "SuccessExitStatus") == str(NEGATIVE)


class TestLimits:
    def test_memory_has_room_for_the_largest_update_and_no_more(self) -> None:
        high, most = (int(value(UPDATE, key).removesuffix("M")) for key in ("MemoryHigh", "MemoryMax"))
        assert PEAK_MB < high < most < 2 * PEAK_MB

    def test_the_filter_comes_first_in_everything(self) -> None:
        assert value(UPDATE, "Nice") == "19"
        assert value(UPDATE, "IOSchedulingClass") == "idle"
        assert int(value(UPDATE, "CPUWeight")) < 100
        assert int(value(UPDATE, "OOMScoreAdjust")) > 0 > int(value(SERVICE, "OOMScoreAdjust"))

    def test_it_writes_its_own_directories_alone(self) -> None:
        assert value(UPDATE, "User") == "filterd-update"
        assert value(UPDATE, "Group") == "filterd"
        assert value(UPDATE, "ProtectSystem") == "strict"
        assert value(UPDATE, "ReadWritePaths") == "/var/lib/filterd"
        assert value(UPDATE, "InaccessiblePaths") == "-/var/lib/filterd/dns"

    def test_it_asks_and_never_listens(self) -> None:
        assert value(UPDATE, "SocketBindDeny") == "any"
        assert not values(UPDATE, "SocketBindAllow")
        assert not values(UPDATE, "IPAddressDeny")

    @pytest.mark.parametrize("key", ["CapabilityBoundingSet", "AmbientCapabilities"])
    def test_it_has_no_capability(self, key: str) -> None:
        assert value(UPDATE, key) == ""

    def test_what_the_filter_may_not_do_it_may_not_do_either(self) -> None:
        hardened = {"NoNewPrivileges", "NoExecPaths", "ExecPaths", "MemoryDenyWriteExecute", "KeyringMode", "UMask"}
        for key, text in directives(SERVICE):
            if key.startswith(("Protect", "Private", "Restrict", "SystemCall")) or key in hardened:
                assert text in values(UPDATE, key), key

    def test_the_same_program_and_places_as_the_filter(self) -> None:
        ours, filters = (value(unit, "ExecStart").split() for unit in (UPDATE, SERVICE))
        assert ours[:4] == filters[:4]
        assert ours[4:] == ["update", *filters[5:]]


def test_the_drop_in_of_a_district_still_fits() -> None:
    """docs/districts.md hangs `lists export` behind the update: that is for oneshot units alone to wait for."""
    assert value(UPDATE, "Type") == "oneshot"
    text = (SYSTEMD.parent / "docs/districts.md").read_text(encoding="utf-8")
    assert UPDATE.name in text
