from unittest import mock

import pytest

from tests import configs
from tests.config.test_crosscheck import complaints


def local(text: str) -> list[str]:
    with mock.patch.dict(configs.FILES, {"policies/local.yaml": text}):
        return complaints()


def records(*lines: str) -> str:
    return "records:\n" + "".join(f"  - {{{line}}}\n" for line in lines)


def chain(length: int) -> str:
    return records(*(f"name: n{i}.lan, type: CNAME, value: n{i + 1}.lan" for i in range(length)))


@pytest.mark.parametrize(
    "text",
    [
        "hosts: {a.lan: [10.0.0.1, 10.0.0.2, fd00::1], b.lan: 10.0.0.1}\n",
        "zones: [lan]\n" + records("name: lan, type: A, value: 10.0.0.1", "name: lan, type: MX, value: 10 a.lan"),
        records("name: a.lan, type: TXT, value: x", "name: a.lan, type: TXT, value: y"),
        records("name: a.lan, type: CNAME, value: b.lan", "name: b.lan, type: A, value: 10.0.0.1"),
        records("name: a.lan, type: CNAME, value: www.example.com"),
        chain(8),
    ],
    ids=["hosts", "top-of-a-zone", "two-texts", "alias", "alias-out", "longest-chain"],
)
def test_what_holds_together_is_fine(text):
    assert local(text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "hosts:\n  a.lan: 10.0.0.1\n  A.lan: 10.0.0.2\n",
            "local.yaml:3 hosts.A.lan: 'a.lan' is given twice, first in",
        ),
        ("hosts: {a.lan: [10.0.0.1, 10.0.0.1]}\n", "the same A of a.lan stands in line 1 already"),
        (
            "hosts: {a.lan: 10.0.0.1}\n" + records("name: A.lan, type: A, value: 10.0.0.1"),
            "local.yaml:3 records[0]: the same A of a.lan stands in line 1 already",
        ),
        (
            "hosts: {a.lan: 10.0.0.1}\n" + records("name: a.lan, type: A, value: 10.0.0.2, ttl: 1h"),
            "another A of a.lan has the ttl 300s; one ttl for all of them",
        ),
        (
            "hosts: {a.lan: 10.0.0.1}\n" + records("name: a.lan, type: CNAME, value: b.lan"),
            "records[0]: a.lan also has A in line 1; a CNAME must be all there is at its name",
        ),
        (
            records("name: a.lan, type: CNAME, value: b.lan", "name: a.lan, type: CNAME, value: c.lan"),
            "records[1]: a.lan has a CNAME already, in line 2; one only",
        ),
        ("zones: [lan]\n" + records("name: lan, type: CNAME, value: b.vn"), "lan is a zone (its own SOA stands there)"),
        (records("name: a.lan, type: CNAME, value: a.lan"), "the CNAMEs go round: a.lan -> a.lan"),
        (chain(9), "records[0]: more than 8 CNAMEs in a row; point n0.lan at the last of them"),
        ("leases: {domain: lan, files: [x], tiers: [staf]}\n", "leases.tiers[0]: 'staf' is not a tier; did you mean"),
    ],
    ids=lambda value: None if "\n" in value else value[:30],
)
def test_what_does_not_is_told(text, message):
    (found,) = local(text)
    assert message in found


def test_every_alias_of_a_round_is_told():
    found = local(records("name: a.lan, type: CNAME, value: b.lan", "name: b.lan, type: CNAME, value: a.lan"))
    assert ["a.lan -> b.lan -> a.lan" in found[0], "b.lan -> a.lan -> b.lan" in found[1]] == [True, True]


@pytest.mark.parametrize(
    "text",
    [
        "zones: 7\nhosts: 7\nrecords: 7\nleases: 7\n",
        "zones: [7]\nhosts: {a.lan: 7, b c: x, c.lan: [[]]}\nrecords: [7, {}, {type: [], name: 7, value: {}}]\n",
        "records: [{type: NS, name: a.lan, value: b.lan}, {type: A, name: a.lan, value: 10.0.0.1, ttl: 7}]\n",
    ],
)
def test_what_the_schema_complains_about_is_passed_over(text):
    assert local(text) == []


def test_a_record_at_the_box_s_own_name_would_never_be_heard():
    (found,) = local("hosts:\n  loc.filterd.internal: [10.0.0.1]\n")
    assert "local.yaml:2 hosts.loc.filterd.internal[0]: loc.filterd.internal is the box's own name" in found


@pytest.mark.parametrize(("box", "told"), [("a.lan", 1), ("b.lan", 0), ("null", 0)])
def test_the_box_s_name_is_the_one_in_school_yaml(box, told):
    school = configs.FILES["policies/school.yaml"] + f"block_answer: {{box_name: {box}}}\n"
    with mock.patch.dict(configs.FILES, {"policies/school.yaml": school}):
        assert len(local("hosts: {a.lan: 10.0.0.1}\n")) == told


def test_a_school_yaml_that_cannot_be_read_hides_the_rule():
    with mock.patch.dict(configs.FILES):
        del configs.FILES["policies/school.yaml"]
        assert local("hosts: {loc.filterd.internal: 10.0.0.1}\n") == []
