import pytest

from filterd.config import load
from filterd.core.policy import Leases, Local, LocalRecord
from tests import configs

LOCAL = """\
zones: [truong.lan, 192.168.0.0/16, TRUONG.lan]
hosts:
  may-in.truong.lan: [192.168.1.20, fd00:7::20]
records:
  - {name: in.truong.lan, type: CNAME, value: may-in.truong.lan, ttl: 1h}
  - {name: 192.168.1.9, type: PTR, value: cong.truong.lan}
leases: {domain: lan, files: [leases/dnsmasq, /var/lib/kea/kea-leases4.csv, /var/lib/kea/kea-leases4.csv],
  tiers: [staff]}
"""


@pytest.fixture
def config(tmp_path):
    return configs.write(tmp_path, local=LOCAL)


def test_hosts_and_records_are_packed(config):
    local = load.load(config).local
    assert local.zones == ("truong.lan", "168.192.in-addr.arpa")
    assert local.records == (
        LocalRecord("may-in.truong.lan", 1, 300, "c0a80114"),
        LocalRecord("may-in.truong.lan", 28, 300, "fd000007000000000000000000000020"),
        LocalRecord("in.truong.lan", 5, 3600, b"\6may-in\6truong\3lan\0".hex()),
        LocalRecord("9.1.168.192.in-addr.arpa", 12, 300, b"\4cong\6truong\3lan\0".hex()),
    )


def test_leases_come_from_files_below_the_directory_or_anywhere(config):
    files = (str(config.absolute() / "leases/dnsmasq"), "/var/lib/kea/kea-leases4.csv")
    assert load.load(config).local.leases == Leases("lan", files, ("staff",))


def test_leases_are_told_to_the_tiers_that_are_named(config):
    configs.change(config, "policies/local.yaml", "tiers: [staff]", "tiers: [thcs, staff, thcs]")
    leases = load.load(config).local.leases
    assert leases is not None
    assert leases.tiers == ("thcs", "staff")


def test_a_directory_without_the_file_knows_nothing(tmp_path):
    config = configs.write(tmp_path)
    (config / "policies/local.yaml").unlink(missing_ok=True)
    assert load.load(config).local == Local()


def test_local_data_survives_json(config):
    policy = load.load(config)
    assert type(policy).from_json(policy.to_json()) == policy
