import pytest

from filterd.config import crosscheck, yamltree
from tests import configs
from tests.config.test_crosscheck import FOLDERS

FILE = "policies/probes.yaml"


def complaints(old: str, new: str) -> list[str]:
    texts = {name.partition("/")[2]: text for name, text in configs.FILES.items() if name.endswith(".yaml")}
    assert texts["probes.yaml"].count(old) == 1
    texts["probes.yaml"] = texts["probes.yaml"].replace(old, new)
    trees = {file: yamltree.read(text.encode(), file)[0] for file, text in texts.items()}
    return [str(problem) for problem in crosscheck.check(trees, FOLDERS)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("unless: [games]", "unless: [gmaes]", "must_resolve[1].unless[0]: 'gmaes' is not a category; did you mean"),
        ("{category: adult,", "{category: adlut,", "must_block[0].category: 'adlut' is not a category; did you mean"),
        ("id: talk", "id: ministry", "must_resolve[1].id: 'ministry' is the id of two; the first is in line 2"),
        ("id: schools", "id: talk", "quality[0].id: 'talk' is the id of two; the first is in line 5"),
        ("id: schools", "id: learning", "quality[0].id: 'learning' is a group that fills by itself; choose another"),
        ("[moet.gov.vn]", "[moet.gov.vn, MOET.gov.vn.]", "names[1]: 'moet.gov.vn' is there already, in line 4; once"),
        ("[moet.gov.vn]", "[zalo.example]", "must_resolve[1].names[0]: 'zalo.example' is there already, in line 4"),
        ("[truong.example,", "[moet.gov.vn,", "quality[0].names[0]: 'moet.gov.vn' is there already, in line 4"),
        ("[adult.example]", "[a.example, a.example]", "must_block[0].names[1]: 'a.example' is there already"),
        (
            "quality:",
            "  - {category: adult, names: [b.example]}\nquality:",
            "must_block[1].category: 'adult' is there already, in line 10; put all its names together",
        ),
        (
            "[adult.example]",
            "[zalo.example]",
            "must_block[0].names[0]: 'zalo.example' must also resolve (line 7), and that group says no `unless` for it",
        ),
    ],
    ids=[
        "unless", "category", "id twice", "id in both", "reserved id", "name twice", "in two groups", "in quality too",
        "sentinel twice", "category twice", "open and closed",
    ],
)  # fmt: skip
def test_a_mistake_is_told_where_it_stands(old, new, message):
    (found,) = complaints(old, new)
    assert found.startswith(FILE)
    assert message in found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{category: adult, names: [adult.example]}", "{category: games, names: [zalo.example]}"),
        ("  - {category: adult, names: [adult.example]}\n", "  - 7\n"),
        ("names: [moet.gov.vn]", "names: 7"),
        ("names: [moet.gov.vn]", "names: [7, {a: b}, null, 'a b']"),
        ("must_block:", "must_blocks:"),
    ],
    ids=["unless says so", "no map", "no list", "no names", "unknown key"],
)
def test_what_is_right_or_for_the_schema_to_tell_is_left_alone(old, new):
    assert complaints(old, new) == []
