import pytest

from filterd.config import across, units, yamltree


def test_a_file_that_could_not_be_read_holds_nothing():
    trees = {"a.yaml": yamltree.read(b"x: [1]\n", "a.yaml")[0]}
    assert list(across.find(trees, "a.yaml", "x.*")) == [(("x", 0), 1)]
    assert list(across.find(trees, "b.yaml", "x.*")) == []


@pytest.mark.parametrize(("value", "found"), [(["a", 1, "b"], ["a", "b"]), ("a", []), (None, []), ({"a": 1}, [])])
def test_only_the_texts_of_a_list_count(value, found):
    assert across.strings(value) == found


@pytest.mark.parametrize(("value", "found"), [("A.vn", "a.vn"), ("a b", None), (7, None), (None, None)])
def test_what_the_schema_complains_about_is_nothing(value, found):
    assert across.parsed(units.domain, value) == found


@pytest.mark.parametrize(
    ("name", "zone"), [("a.b.vn", "b.vn"), ("b.vn", "b.vn"), ("ab.vn", None), ("x.lan", "lan"), ("vn", None)]
)
def test_the_closest_zone_is_found_by_labels(name, zone):
    assert across.below(name, {"b.vn": 1, "lan": 2}) == zone
