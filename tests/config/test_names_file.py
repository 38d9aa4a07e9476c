import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.config import names_file, yamltree
from filterd.config.schema_rules import Names
from filterd.core.policy import SchoolName

BLOCK_STYLE = """\
# the school's names
allow:
  # about a
  - {name: a.example, tiers: [thcs], reason: "x"}   # end of a

  # about b
  - b.example
  # about c
  - name: c.example
    reason: long   # end of c
# about the blocked ones
block:
- d.example
# the end
"""


def entries(data: bytes) -> tuple[list[str], list[str]]:
    tree, problems = yamltree.read(data, "names.yaml")
    assert problems == []
    found = Names.model_validate(tree.value)
    return [e.name for e in found.allow], [e.name for e in found.block]


def comments(data: bytes) -> list[str]:
    return [line[line.index("#") :] for line in data.decode().splitlines() if "#" in line]


def test_an_entry_is_added_below_the_last_and_all_else_stays():
    entry = SchoolName("e.example", True, ("thcs",), (), "Bài 12: thử")
    text = names_file.add(BLOCK_STYLE.encode(), entry).decode()
    line = '  - {name: e.example, tiers: [thcs], reason: "Bài 12: thử"}\n'
    assert text == BLOCK_STYLE.replace("# about the blocked ones", line + "# about the blocked ones")


def test_the_margin_of_a_list_is_kept():
    text = names_file.add(BLOCK_STYLE.encode(), SchoolName("e.example", False)).decode()
    assert text == BLOCK_STYLE.replace("- d.example\n", "- d.example\n- e.example\n")


ADDED = [
    ("block: []\n", "block:\n  - x.example\n"),
    ("block: []  # none yet\n", "block:  # none yet\n  - x.example\n"),
    ("block:\n", "block:\n  - x.example\n"),
    ("block:   # none\nallow: []\n", "block:   # none\n  - x.example\nallow: []\n"),
    ("block: [a.example]\n", "block: [a.example, x.example]\n"),
    ("block: [a.example, ]\n", "block: [a.example, x.example, ]\n"),
    ("block:\n  - a.example", "block:\n  - a.example\n  - x.example\n"),
    ("block:\r\n  - a.example\r\n", "block:\r\n  - a.example\r\n  - x.example\r\n"),
    ("allow: []\n", "allow: []\nblock:\n  - x.example\n"),
    ("block:\n  - name: a.example\n    reason: |\n      one\n      two\n\n# end\n", None),
]


@pytest.mark.parametrize(("before", "after"), ADDED, ids=[before.strip() for before, _ in ADDED])
def test_every_way_to_write_a_list_can_grow(before, after):
    data = names_file.add(before.encode(), SchoolName("x.example", False))
    if after is not None:
        assert data.decode() == after
    else:
        assert entries(data)[1] == ["a.example", "x.example"]
        assert comments(data) == ["# end"]


@pytest.mark.parametrize("index", [0, 1, 2])
def test_removing_an_entry_keeps_every_comment_that_is_not_on_its_line(index):
    data = names_file.remove(BLOCK_STYLE.encode(), True, index)
    left = ["a.example", "b.example", "c.example"]
    del left[index]
    assert entries(data) == (left, ["d.example"])
    lost = {0: ["# end of a"], 1: [], 2: ["# end of c"]}[index]
    assert comments(data) == [c for c in comments(BLOCK_STYLE.encode()) if c not in lost]


def test_removing_the_last_entry_leaves_an_empty_list():
    data = names_file.remove(BLOCK_STYLE.encode(), False, 0)
    assert data.decode() == BLOCK_STYLE.replace("block:\n- d.example\n", "block: []\n")


@pytest.mark.parametrize(
    ("before", "index", "after"),
    [
        ("allow: [a.vn, b.vn, c.vn]\n", 0, "allow: [b.vn, c.vn]\n"),
        ("allow: [a.vn, b.vn, c.vn]\n", 1, "allow: [a.vn, c.vn]\n"),
        ("allow: [a.vn, b.vn, c.vn]\n", 2, "allow: [a.vn, b.vn]\n"),
        ("allow: [{name: a.vn}, ]  # one\n", 0, "allow: []  # one\n"),
    ],
)
def test_lists_in_brackets_can_shrink(before, index, after):
    assert names_file.remove(before.encode(), True, index).decode() == after


def test_replacing_an_entry_touches_its_own_text_only():
    entry = SchoolName("a.example", True, ("thcs", "thpt"))
    text = names_file.replace(BLOCK_STYLE.encode(), 0, entry).decode()
    old = '{name: a.example, tiers: [thcs], reason: "x"}'
    assert text == BLOCK_STYLE.replace(old, "{name: a.example, tiers: [thcs, thpt]}")


def test_a_comment_inside_an_entry_is_never_lost_silently():
    text = "allow:\n  - name: a.example\n    # why\n    reason: x\n"
    with pytest.raises(ValueError, match=r"a\.example has comments inside its entry; edit it by hand"):
        names_file.replace(text.encode(), 0, SchoolName("a.example", True))


def test_a_file_in_braces_is_left_alone():
    with pytest.raises(ValueError, match="is one map in braces"):
        names_file.add(b"{allow: []}\n", SchoolName("x.example", False))


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (SchoolName("a.vn", True), "a.vn"),
        (SchoolName("=a.vn", True), "=a.vn"),
        (SchoolName("a.vn", True, classes=("7-3",)), "{name: a.vn, classes: [7-3]}"),
        (SchoolName("a.vn", True, classes=("71",)), '{name: a.vn, classes: ["71"]}'),
        (SchoolName("a.vn", True, reason='nói "có": #1'), '{name: a.vn, reason: "nói \\"có\\": #1"}'),
    ],
)
def test_an_entry_is_one_line(entry, text):
    assert names_file.spelled(entry) == text


@given(
    st.lists(st.sampled_from(["a.vn", "{name: b.vn, tiers: [x]}", "name: c.vn\n    reason: why"]), max_size=4),
    st.sampled_from(["\n", "  # why\n", "\n\n", "\n  # about the next\n"]),
    st.text(alphabet="ab:#'\"{}[],\\ é\n", max_size=12),
)
def test_what_is_added_is_read_back_and_can_be_removed_again(items, gap, reason):
    body = "".join(f"  - {item}{gap}" for item in items) or "  []\n"
    before = f"block:\n{body}allow: []\n".encode()
    entry = SchoolName("new.example", False, ("x",), (), reason.replace("\n", " ").strip())
    after = names_file.add(before, entry)
    assert entries(after)[1] == [*entries(before)[1], "new.example"]
    tree, _ = yamltree.read(after, "names.yaml")
    assert (tree.value["block"][-1].get("reason") or "") == entry.reason
    again = names_file.remove(after, False, len(items))
    assert entries(again) == entries(before)
