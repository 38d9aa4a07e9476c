"""The evidence of a decision; that it agrees with the server is told in `tests/scenarios`."""

from __future__ import annotations

import dataclasses
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from filterd.core.firstseen import SECRET_BYTES, Register
from filterd.core.overrides import Override, Overrides
from filterd.errors import NameSyntaxError
from filterd.live import firstseen
from filterd.live.explain import STEPS, Question, explain_name
from filterd.live.published import Published, open_readonly
from filterd.store import firstseen as store
from tests import configs
from tests.running import SCHOOL, build_table, write_school

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return open_readonly(*write_school(tmp_path_factory.mktemp("explain")))


def explain(published: Published, name: str, classroom: str = "3a", **question: Any) -> dict[str, Any]:
    if "client" not in question:
        question["classroom"] = classroom
    return explain_name(published, Question(name, **question), NOW)


def test_every_key_a_program_may_count_on_is_there(published: Published) -> None:
    wanted = {
        "name", "classroom", "tier", "profile", "action", "reason", "category", "sources", "rule", "ttl",
        "type", "classroom_name", "lists", "answer", "observed", "steps", "policy", "table", "faults",
    }  # fmt: skip
    assert set(explain(published, "adult.example")) == wanted
    assert set(explain(published, "adult.example", client="192.0.2.1")) == wanted


def test_a_list_is_named_with_its_rule(published: Published) -> None:
    found = explain(published, "www.adult.example")
    assert (found["action"], found["reason"], found["category"]) == ("block", "category", "adult")
    assert found["sources"] == ["adult-curated"]
    assert found["lists"] == [
        {"source": "adult-curated", "category": "adult", "rule": "adult.example", "covers": "subtree",
         "exception": False},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "classroom", "action", "reason", "rule"),
    [
        ("youtube.com", "3a", "block", "category", "tier tieu-hoc: streaming"),
        ("youtube.com", "7/3", "allow", "profile", "profile video: youtube"),
        ("vi-du.edu.vn", "7-3", "allow", "school_allow", "names.yaml allow vi-du.edu.vn (thcs)"),
        ("vi-du.edu.vn", "9x", "block", "allow_list_only", "profile exam: allow-list only"),
        ("tro-choi.example", "staff-room", "block", "school_block", "names.yaml block tro-choi.example"),
        ("moet.gov.vn", "9X", "allow", "must_allow", "must-allow"),
        ("example.org", "3A", "allow", "default", None),
        ("localhost", "3a", "allow", "special_use", "special-use name"),
        ("use-application-dns.net", "3a", "block", "bypass", "a canary that asks whether this network filters"),
    ],
)
def test_the_step_that_decides_is_named(
    published: Published, name: str, classroom: str, action: str, reason: str, rule: str | None
) -> None:
    found = explain(published, name, classroom)
    assert (found["action"], found["reason"], found["rule"]) == (action, reason, rule)
    (decided,) = [step for step in found["steps"] if step["decided"]]
    assert [step["step"] for step in found["steps"]] == list(STEPS)
    assert STEPS[decided["step"]] in decided["text"]


def test_an_override_is_named_while_it_holds(published: Published) -> None:
    override = Override("3a", until=int(NOW) + 60, profile="video")
    bent = dataclasses.replace(published, overrides=Overrides((override,)))
    assert explain(bent, "youtube.com")["action"] == "allow"
    assert explain_name(bent, Question("youtube.com", classroom="3a"), NOW + 61)["action"] == "block"


@pytest.mark.parametrize(
    ("client", "classroom", "tier"),
    [
        ("127.0.31.7", "3a", "tieu-hoc"), ("::1", "7-3", "thcs"), ("::ffff:127.0.31.7", "3a", "tieu-hoc"),
        ("127.0.5.5", None, "tieu-hoc"), ("fe80::1%eth0.200", "staff-room", "staff"), ("192.0.2.1", None, None),
    ],
)  # fmt: skip
def test_a_client_is_placed_by_its_address(
    tmp_path: Path, client: str, classroom: str | None, tier: str | None
) -> None:
    config, state = write_school(tmp_path)
    configs.change(config, "policies/classes.yaml", "[127.0.200.0/24]", "[127.0.200.0/24], interfaces: [eth0.200]")
    found = explain(open_readonly(config, state), "example.org", client=client)
    assert (found["classroom"], found["tier"]) == (classroom, tier)


def test_a_name_is_taken_in_any_form(published: Published) -> None:
    assert explain(published, "WWW.Adult.Example.")["name"] == "www.adult.example"
    assert explain(published, "bücher.example")["name"] == "xn--bcher-kva.example"


@pytest.mark.parametrize("client", ["", "localhost", "127.0.0.1.5", "300.1.1.1", "fe80::1%"])
def test_what_is_no_address_is_refused(published: Published, client: str) -> None:
    if client == "fe80::1%":
        assert explain(published, "example.org", client=client)["classroom"] is None
        return
    with pytest.raises(ValueError, match="is not an IP address"):
        explain(published, "example.org", client=client)


def test_an_unknown_class_is_refused_with_those_there_are(published: Published) -> None:
    with pytest.raises(ValueError, match="'8b' is no class or room; there is 3a, 7-3, 9x, staff-room"):
        explain(published, "example.org", classroom="8b")


def test_what_is_no_name_is_refused(published: Published) -> None:
    with pytest.raises(NameSyntaxError):
        explain(published, "no name")


@pytest.mark.parametrize(
    ("mode", "kind", "answer"),
    [
        ("{mode: zero}", "A", "0.0.0.0"), ("{mode: zero}", "AAAA", "::"), ("{mode: zero}", "HTTPS", "no data"),
        ("{mode: nxdomain}", "A", "NXDOMAIN"), ("{mode: gateway, ipv4: 10.0.0.1}", "A", "10.0.0.1"),
        ("{mode: gateway, ipv4: 10.0.0.1}", "AAAA", "no data"),
        ("{mode: gateway, ipv4: 10.0.0.1, ipv6: 'fd00::1'}", "AAAA", "fd00::1"),
    ],
)  # fmt: skip
def test_the_answer_follows_the_school(tmp_path: Path, mode: str, kind: str, answer: str) -> None:
    config, state = write_school(tmp_path)
    with (config / "policies/school.yaml").open("a") as file:
        file.write(f"block_answer: {mode}\n")
    assert explain(open_readonly(config, state), "adult.example", qtype=kind)["answer"] == answer


@pytest.mark.parametrize(
    ("name", "kind", "answer"),
    [
        ("www.tim.example", "A", "CNAME safe.tim.example"), ("www.tim.example", "AAAA", "CNAME safe.tim.example"),
        ("www.tim.example", "HTTPS", "no data"), ("ya.example", "A", "192.0.2.7"), ("ya.example", "AAAA", "no data"),
    ],
)  # fmt: skip
def test_a_search_host_is_told_with_its_safe_answer(tmp_path: Path, name: str, kind: str, answer: str) -> None:
    config, state = write_school(tmp_path)
    with (config / "policies/safesearch.yaml").open("a", encoding="utf-8") as file:
        file.write('  ya: {name: {vi: Ya, en: Ya}, hosts: [ya.example], modes: {"on": {ipv4: [192.0.2.7]}}}\n')
    tiers = config / "policies/tiers.yaml"
    tiers.write_text(
        re.sub(r"(?m)^  tieu-hoc:$", "  tieu-hoc:\n    safe_search: on", tiers.read_text("utf-8")), "utf-8"
    )
    found = explain(open_readonly(config, state), name, qtype=kind)
    assert (found["action"], found["reason"], found["answer"]) == ("rewrite", "safe_search", answer)


# -- addresses --------------------------------------------------------------------------------------------------------

CIDR = """\
  - {id: bad-hosts, name: Bad hosts, url: "file:bad-hosts.txt", format: cidr, category: adult, licence: CC0-1.0}
"""


@pytest.fixture(scope="module")
def with_addresses(tmp_path_factory: pytest.TempPathFactory) -> Published:
    config, state = write_school(tmp_path_factory.mktemp("addresses"))
    with (config / "blocklists/sources.yaml").open("a", encoding="utf-8") as file:
        file.write(CIDR)
    (config / "blocklists/bad-hosts.txt").write_text("192.0.2.0/24  # a comment\n2001:db8::/32\n")
    build_table(config, state)
    return open_readonly(config, state)


@pytest.mark.parametrize(
    ("address", "classroom", "action", "reason", "sources"),
    [
        ("192.0.2.7", "3a", "block", "category", ["bad-hosts"]),
        ("2001:DB8::7", "3a", "block", "category", ["bad-hosts"]),
        ("64:ff9b::192.0.2.7", "9x", "block", "category", ["bad-hosts"]),
        ("198.51.100.7", "3a", "allow", "default", []),
        ("192.168.1.1", "3a", "block", "rebinding", []),
        ("1.1.1.1", "9x", "allow", "default", []),
    ],
)
def test_an_address_is_told_as_answers_that_hold_it_are_treated(
    with_addresses: Published, address: str, classroom: str, action: str, reason: str, sources: list[str]
) -> None:
    found = explain(with_addresses, address, classroom)
    assert (found["action"], found["reason"], found["sources"]) == (action, reason, sources)
    assert found["type"] == ("AAAA" if ":" in address else "A")
    assert found["name"] == str(ip_address(address))
    assert [step["decided"] for step in found["steps"]].count(True) == 1
    assert set(found) == set(explain(with_addresses, "adult.example"))


def test_the_list_and_the_range_of_an_address_are_named(with_addresses: Published) -> None:
    found = explain(with_addresses, "192.0.2.7")
    assert found["lists"] == [
        {"source": "bad-hosts", "category": "adult", "rule": "192.0.2.0/24", "covers": "addresses", "exception": False},
    ]  # fmt: skip
    assert {"step": 9, "text": f"{STEPS[9]}: block: adult", "decided": True} in found["steps"]


def test_a_private_address_is_told_as_no_data(with_addresses: Published) -> None:
    assert explain(with_addresses, "192.168.1.1")["answer"] == "no data"


def test_a_stranger_hears_nothing_of_addresses(with_addresses: Published) -> None:
    assert explain(with_addresses, "192.0.2.7", client="192.0.2.1")["reason"] == "unknown_client"


# -- domains this school has not met before ---------------------------------------------------------------------------


def test_a_name_that_is_new_here_is_told_as_such(tmp_path: Path) -> None:
    config, state = write_school(tmp_path, school=SCHOOL + "newly_seen: {category: games, days: 7}\n")
    today = firstseen.day_of(NOW)
    register = Register(bytes(SECRET_BYTES), today - 100)
    register.add(register.hash_of(b"org.example."), 0)
    published = open_readonly(config, state)
    assert explain(published, "www.example.org")["action"] == explain(published, "unheard.com")["action"] == "allow"
    store.create(store.path(state), register)
    assert explain(published, "www.example.org")["action"] == "allow"
    found = explain(published, "www.unheard.com")
    assert (found["action"], found["category"]) == ("block", "games")
    assert found["sources"] == ["newly_seen: this school has not known it for long"]
    assert {"step": 9, "text": f"{STEPS[9]}: block: games", "decided": True} in found["steps"]
    store.path(state).write_bytes(b"no register at all")
    assert explain(published, "www.unheard.com")["faults"] == [
        "first-seen domains: its beginning is damaged; here nothing counts as new"
    ]
