"""What the school itself knows, told by a running server: records, devices with a lease, and which domains are new."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from dnslib import QTYPE, RCODE, DNSRecord

from filterd.store import firstseen as store
from tests.running import PUPIL, SCHOOL, SEVENTH, STAFF, Server, addresses, until, write_school
from tests.upstreams import Upstream

LOCAL = """\
zones: [truong.lan, 192.168.0.0/16]
hosts: {may-chu.truong.lan: [192.168.1.2, "fd00::2"]}
records:
  - {name: www.truong.lan, type: CNAME, value: may-chu.truong.lan}
  - {name: ngoai.truong.lan, type: CNAME, value: www.example.org}
leases: {domain: thietbi.lan, files: [dnsmasq.leases, kea-leases4.csv], tiers: [staff]}
"""
KEA = (
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n"
    "192.168.1.60,aa:bb:cc:dd:ee:01,,4294967295,4294967295,1,0,0,may-in.truong.vn.,0,,0\n"
)


def school(directory: Path, **changes: str) -> tuple[Path, Path]:
    config, state = write_school(directory, **changes)
    (config / "policies" / "local.yaml").write_text(LOCAL, encoding="utf-8")
    return config, state


def told(reply: DNSRecord) -> tuple[str, list[str]]:
    return RCODE[reply.header.rcode], [f"{r.rname} {QTYPE[r.rtype]} {r.rdata}" for r in reply.rr]


def test_records_and_leases_are_answered_while_no_upstream_lives(tmp_path: Path) -> None:
    config, state = school(tmp_path)
    leases = config / "dnsmasq.leases"
    leases.write_text("0 aa:bb:cc:dd:ee:02 192.168.1.50 Laptop-An *\n")
    (config / "kea-leases4.csv").write_text(KEA)
    with Server(config, state) as server:
        assert addresses(server.ask("may-chu.truong.lan", source=PUPIL)) == ["192.168.1.2"]
        assert told(server.ask("2.1.168.192.in-addr.arpa", "PTR")) == (
            "NOERROR",
            ["2.1.168.192.in-addr.arpa. PTR may-chu.truong.lan."],
        )
        assert told(server.ask("www.truong.lan", "AAAA", tcp=True))[1][1] == "may-chu.truong.lan. AAAA fd00::2"
        assert told(server.ask("gi-do.truong.lan")) == ("NXDOMAIN", [])
        assert told(server.ask("truong.lan")) == ("NOERROR", [])
        for name, address in (("laptop-an", "192.168.1.50"), ("may-in", "192.168.1.60")):
            assert addresses(server.ask(f"{name}.thietbi.lan", source=STAFF)) == [address]
            assert told(server.ask(f"{name}.thietbi.lan", source=PUPIL)) == ("NXDOMAIN", [])
        leases.write_text("0 aa:bb:cc:dd:ee:02 192.168.1.51 Laptop-An *\n")
        moved = lambda: addresses(server.ask("laptop-an.thietbi.lan", source=STAFF)) == ["192.168.1.51"]  # noqa: E731
        until(moved, "the new lease is told")
        assert told(server.ask("50.1.168.192.in-addr.arpa", "PTR", source=STAFF)) == ("NXDOMAIN", [])


def test_an_alias_of_a_name_outside_is_resolved_there(tmp_path: Path) -> None:
    config, state = school(tmp_path)
    with Upstream() as upstream, Server(config, state, upstreams=(upstream.url,)) as server:
        reply = server.ask("ngoai.truong.lan", source=STAFF)
        assert told(reply)[1][0] == "ngoai.truong.lan. CNAME www.example.org."
        assert addresses(reply)
        # Not longer than the name outside by itself: a profile may close it soon.
        assert {r.ttl for r in server.ask("ngoai.truong.lan", source=PUPIL).rr} <= set(range(61))


def test_a_lease_file_that_is_no_file_is_a_fault_and_not_the_end(tmp_path: Path) -> None:
    config, state = school(tmp_path)
    (config / "secret").write_text("0 aa 192.168.1.66 geheim *\n")
    (config / "dnsmasq.leases").symlink_to(config / "secret")
    with Server(config, state) as server:
        server.wait_metric('filterd_input_fault{input="leases"}', lambda value: value == 1)
        assert told(server.ask("geheim.thietbi.lan", source=STAFF)) == ("NXDOMAIN", [])
        (config / "dnsmasq.leases").unlink()
        server.wait_metric('filterd_input_fault{input="leases"}', lambda value: value == 0)


@pytest.mark.skipif(not shutil.which("dig"), reason="dig is not installed")
def test_dig_sees_an_authoritative_answer_in_its_own_case(tmp_path: Path) -> None:
    config, state = school(tmp_path)
    with Server(config, state) as server:
        command = ["dig", "-b", PUPIL, "@127.0.0.1", "-p", str(server.port), "MAY-chu.Truong.LAN", "A"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "MAY-chu.Truong.LAN.\t" in text
    assert "flags: qr aa rd ra;" in text


# -- domains this school has not met before ---------------------------------------------------------------------------

NEWLY_SEEN = "newly_seen: {category: games, days: 1}\n"
DAY_S = 86400


def learned(state: Path) -> None:
    """Put the beginning of the register's life a year back, as if the school had learned long ago."""
    stored = store.load(store.path(state))
    stored.register.started -= 365
    store.create(store.path(state), stored.register)


def reported(server: Server, tier: str, action: str, reason: str) -> None:
    """Wait for the report of a worker in which such a question was counted; what it noted came with it."""
    labels = f'{{action="{action}",reason="{reason}",tier="{tier}",transport="udp"}}'
    server.wait_metric("filterd_dns_queries_total" + labels, lambda value: value >= 1)


def test_a_new_domain_is_closed_for_pupils_and_open_for_staff(tmp_path: Path) -> None:
    config, state = write_school(tmp_path, school=SCHOOL + NEWLY_SEEN)
    with Upstream() as upstream:
        with Server(config, state, upstreams=(upstream.url,), workers=2) as server:
            server.wait_log("learning begins")
            assert addresses(server.ask("www.known.example", source=PUPIL)) != ["0.0.0.0"]
            reported(server, "tieu-hoc", "allow", "default")
        learned(state)
        with Server(config, state, upstreams=(upstream.url,), workers=2) as server:
            for source in (PUPIL, SEVENTH):
                assert addresses(server.ask("other.known.example", source=source)) != ["0.0.0.0"]
                assert addresses(server.ask("www.unheard-of.example", source=source)) == ["0.0.0.0"]
            assert addresses(server.ask("www.unheard-of.example", source=STAFF)) != ["0.0.0.0"]
            for tier in ("tieu-hoc", "thcs"):
                reported(server, tier, "block", "category")
            reported(server, "staff", "allow", "default")
        assert store.load(store.path(state)).register.size == 2


def test_a_damaged_register_is_a_fault_and_the_school_goes_on(tmp_path: Path) -> None:
    config, state = write_school(tmp_path, school=SCHOOL + NEWLY_SEEN)
    store.path(state).parent.mkdir(parents=True, exist_ok=True)
    store.path(state).write_bytes(b"no register at all")
    with Upstream() as upstream, Server(config, state, upstreams=(upstream.url,)) as server:
        server.wait_metric('filterd_input_fault{input="first-seen"}', lambda value: value == 1)
        assert addresses(server.ask("www.unheard-of.example", source=PUPIL)) != ["0.0.0.0"]
