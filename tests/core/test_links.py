"""What DNAME, HTTPS and SVCB records add to the names that are judged."""

from __future__ import annotations

import pytest

from filterd.core import links, names, wire
from filterd.errors import WireError
from tests.schools import address, alias, question, record, reply


def targets(name: str, *answers: bytes) -> list[str]:
    asked = question(name)
    answer = wire.read_answer(reply(asked, answers), 12 + len(asked))
    return [names.text_of_wire(target) for target in answer.targets]


def dname(owner: str, target: str) -> bytes:
    return record(39, 60, names.wire_of_text(target), names.wire_of_text(owner))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([dname("school.vn", "evil.com")], ["a.b.evil.com"], id="a DNAME alone makes the name"),
        pytest.param(
            [dname("school.vn", "evil.com"), alias("a.b.evil.com")], ["a.b.evil.com"] * 2, id="the CNAME says the same"
        ),
        pytest.param(
            [dname("school.vn", "evil.com"), alias("nice.org")], ["nice.org", "a.b.evil.com"], id="the CNAME lies"
        ),
        pytest.param(
            [alias("x.cdn.net"), dname("cdn.net", "evil.com")], ["x.cdn.net", "x.evil.com"], id="of a CNAME's target"
        ),
        pytest.param([dname("other.org", "evil.com")], ["evil.com"], id="of another name: the target itself"),
        pytest.param([dname("a.b.school.vn", "evil.com")], ["evil.com"], id="a DNAME says nothing of its owner"),
        pytest.param([dname("", "evil.com")], ["a.b.school.vn.evil.com"], id="of the root"),
        pytest.param(
            [record(39, 60, b"\4EVIL\3com\0", b"\6SCHOOL\2VN\0")], ["a.b.evil.com"], id="upper case"
        ),
    ],
)  # fmt: skip
def test_a_dname_leads_on(answers, expected):
    assert targets("a.b.school.vn", *answers) == expected


def test_labels_count_and_not_bytes():
    owner = record(39, 60, b"\4evil\0", b"\1b\0")
    asked = b"\1a\3\1b\0" + b"\0" + b"\0\1\0\1"  # a label that ends in the owner's bytes
    answer = wire.read_answer(reply(asked, [owner]), 12 + len(asked))
    assert answer.targets == (b"\4evil\0",)


def test_a_name_that_a_dname_makes_too_long_is_not_made():
    long = ".".join(["a" * 60] * 4)
    assert targets(f"{long[:180]}.vn", dname("vn", long)) == [long]


def test_service_targets_are_given_once_and_the_dot_never():
    one = record(65, 60, b"\0\0" + names.wire_of_text("CDN.example".lower()))
    assert targets("a.vn", one, one, record(65, 60, b"\0\1\0"), record(64, 60, b"\0\0\0")) == ["cdn.example"]


@pytest.mark.parametrize(
    ("count", "make"),
    [
        (links.MAX_MORE, lambda n: record(65, 60, b"\0\1" + names.wire_of_text(f"h{n}.example"))),
        (links.MAX_DNAMES, lambda n: dname(f"h{n}.example", "x.example")),
    ],
    ids=["services", "DNAMEs"],
)  # fmt: skip
def test_an_answer_leads_to_a_bounded_number_of_names(count, make):
    assert targets("a.vn", *map(make, range(count)), address())
    with pytest.raises(WireError, match="too many"):
        targets("a.vn", *map(make, range(count + 1)))


def test_an_answer_has_a_bounded_number_of_address_hints():
    some = record(65, 60, b"\0\1\0\0\4\2\0" + bytes(512))  # 128 addresses
    assert targets("a.vn", some, some) == []
    with pytest.raises(WireError, match="too many address hints"):
        targets("a.vn", some, some, record(65, 60, b"\0\1\0\0\4\0\4" + bytes(4)))


def test_the_marks_of_both_modules_are_the_same_bits():
    assert (links.PRIVATE, links.SVCB_MARK) == (wire.PRIVATE, wire.SVCB_MARK) == (1, 2)
