import pytest
from pydantic import ValidationError

from filterd.config import problems, yamltree
from filterd.config.schema_school import School
from tests import configs


def complaints(text: str) -> list[str]:
    tree, found = yamltree.read(text.encode(), "school.yaml")
    assert found == []
    with pytest.raises(ValidationError) as caught:
        School.model_validate(tree.value)
    return [str(p) for p in problems.of_validation("school.yaml", tree, School, caught.value)]


SCHOOL = configs.FILES["policies/school.yaml"]

WORDS = [
    ("workers: 1", "wrokers: 1", "school.yaml:6 wrokers: unknown key 'wrokers'; did you mean 'workers'?"),
    ("en: Test School", "eng: Test School", "school.yaml:1 name.eng: unknown key 'eng'; did you mean 'en'?"),
    ("workers: 1", "limits: {brust: 5}", "school.yaml:6 limits.brust: unknown key 'brust'; did you mean 'burst'?"),
    ("workers: 1", "block_answer: {mode: nxdomian}", "'nxdomian' is not one of gateway, zero or nxdomain"),
    ("workers: 1", "limits: {burst: 0}", "school.yaml:6 limits.burst: 0 is too small; at least 1"),
    ("workers: 1", "limits: {pending: 70000}", "limits.pending: 70000 is too large; at most 60000"),
    ("workers: 1", "limits: {burst: many}", "limits.burst: the text 'many' stands here, a whole number was expected"),
    ("workers: 1", "limits: {burst: 1.5}", "limits.burst: a number stands here, a whole number was expected"),
    ("workers: 1", "limits: [1]", "school.yaml:6 limits: a list stands here, a map (key: value) was expected"),
    ("workers: 1", "limits:", "school.yaml:6 limits: nothing stands here, a map (key: value) was expected"),
    ("code: thu-01", "code: {}", "school.yaml:2 code: a map stands here, text was expected"),
    ("code: thu-01", "code: true", 'true is read as true or false, text was expected; write it in quotes: "true"'),
    ("code: thu-01", "code:", "school.yaml:2 code: nothing stands here, text was expected"),
    ('upstreams: ["udp://127.0.0.1:5399"]', "upstreams: []", "school.yaml:9 upstreams: needs at least 1"),
    ("code: thu-01\n", "", "school.yaml:1: 'code' is missing"),
]


@pytest.mark.parametrize(("old", "new", "message"), WORDS, ids=[new.strip()[:30] or "nothing" for _, new, _ in WORDS])
def test_mistake_is_worded_for_the_person_who_edits(old, new, message):
    assert old in SCHOOL
    (found,) = complaints(SCHOOL.replace(old, new))
    assert message in found


def test_mistakes_come_in_the_order_of_the_lines():
    found = complaints(SCHOOL.replace("code: thu-01", "code: 7").replace("networks: [127.0.0.0/8", "networks: [x"))
    assert [line.partition(" ")[0] for line in found] == ["school.yaml:2", "school.yaml:7"]


def test_suggestions_name_the_nearest_or_all_there_is():
    assert problems.suggest("thsc", ["thcs", "thpt"]) == "did you mean 'thcs'?"
    assert problems.suggest("THCS", ["thcs"]) == "did you mean 'thcs'?"
    assert problems.suggest("zzz", ["thcs", "staff"]) == "there is staff, thcs"
    assert problems.suggest("zzz", []) == "there is none"
    assert problems.suggest("zzz", [f"id{i:02}" for i in range(20)]).endswith("id11 and 8 more")


def test_a_path_the_file_does_not_have_is_told_by_its_parent():
    tree, _ = yamltree.read(b"a:\n  b: 1\n", "x.yaml")
    assert str(problems.at("x.yaml", tree, ("a", "c"), "oops")) == "x.yaml:1 a: oops"
    assert str(problems.at("x.yaml", tree, ("z",), "oops")) == "x.yaml:1: oops"
