import datetime
import zoneinfo

import pytest

from filterd.config import load
from filterd.core.policy import Rules
from tests import configs


@pytest.fixture
def config(tmp_path):
    return configs.write(tmp_path)


def test_bundles_become_their_services_and_names_stay(config):
    exam = next(p for p in load.load(config).profiles if p.id == "exam")
    assert exam.allow == Rules(categories=(), services=("olm",), names=("thi.example.vn",))
    assert exam.allow_list_only


def test_a_service_named_twice_is_there_once(config):
    configs.change(
        config, "policies/profiles.yaml", "{bundles: [exam-basic], ", "{bundles: [exam-basic], services: [olm, olm], "
    )
    exam = next(p for p in load.load(config).profiles if p.id == "exam")
    assert exam.allow.services == ("olm",)


def test_names_of_contacts_join_must_allow(config):
    assert load.load(config).floor.must_allow == ("moet.gov.vn", "=time.example.vn", "tongdai111.vn")


def test_observe_ends_with_the_midnight_after_its_last_day_in_the_school_s_zone(config):
    configs.change(config, "policies/tiers.yaml", "grades: 6-9", "enforce: observe\n    observe_until: 2026-12-31")
    tier = next(t for t in load.load(config).tiers if t.id == "thcs")
    ends = datetime.datetime(2027, 1, 1, tzinfo=zoneinfo.ZoneInfo("Asia/Ho_Chi_Minh"))
    assert tier.observe_until == int(ends.timestamp())


def test_rooms_follow_classrooms_and_know_that_they_are_rooms(config):
    assert [(p.id, p.kind) for p in load.load(config).places] == [
        ("3a", "classroom"),
        ("7-3", "classroom"),
        ("staff-room", "room"),
    ]


def test_auto_workers_are_between_one_and_four(config):
    configs.change(config, "policies/school.yaml", "workers: 1", "workers: auto")
    assert 1 <= load.load(config).workers <= 4


def test_units_arrive_as_numbers(config):
    limits = "limits: {memo: 1MiB, stale: 2h, tcp_idle: 5s}"
    configs.change(config, "policies/school.yaml", "workers: 1", limits)
    found = load.load(config).limits
    assert (found.memo_bytes, found.stale_s, found.tcp_idle_s) == (1 << 20, 7200, 5)


def test_school_names_keep_their_order_allow_before_block(config):
    names = [(n.name, n.allow, n.tiers, n.reason) for n in load.load(config).names]
    assert names == [("vi-du.edu.vn", True, ("thcs",), "Thư viện"), ("tro-choi.example", False, (), "")]
