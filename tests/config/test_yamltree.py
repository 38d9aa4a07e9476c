import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.config import yamltree


def tree_of(text: str) -> yamltree.Tree:
    tree, problems = yamltree.read(text.encode(), "x.yaml")
    assert problems == []
    return tree


def complaints(data: bytes) -> list[str]:
    return [str(problem) for problem in yamltree.read(data, "x.yaml")[1]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 7", 7),
        ("a: -3", -3),
        ("a: 2.5", 2.5),
        ("a: true", True),
        ("a: null", None),
        ("a:", None),
        ("a: no", "no"),
        ("a: on", "on"),
        ("a: 10:15", "10:15"),
        ("a: 2026-11-21", "2026-11-21"),
        ("a: 0x10", "0x10"),
        ("a: 007", "007"),
        ("a: 1_000", "1_000"),
        ("a: .nan", ".nan"),
        ("a: .inf", ".inf"),
        ("a: 1e400", "1e400"),
        ('a: "7"', "7"),
        ("a: '7'", "7"),
        ("a: !!str 7", "7"),
        ("a: |\n  7\n", "7\n"),
        ("a: [1, {b: c}]", [1, {"b": "c"}]),
    ],
)
def test_only_obvious_spellings_are_more_than_text(text, value):
    assert tree_of(text).value == {"a": value}


def test_keys_are_always_text():
    assert tree_of("no: 1\n7: 2\ntrue: 3\n").value == {"no": 1, "7": 2, "true": 3}


def test_byte_order_mark_and_windows_line_ends_are_fine():
    tree, problems = yamltree.read(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "x.yaml")
    assert (tree.value, problems) == ({"a": 1, "b": 2}, [])


def test_lines_are_known_by_path():
    tree = tree_of("a:\n  - b: 1\n    c: 2\n\n  - d\n")
    assert tree.line(("a",)) == 1
    assert tree.line(("a", 0, "c")) == 3
    assert tree.line(("a", 1)) == 5
    assert tree.line(("a", 0, "zzz")) == 2  # what is not there: its parent


def test_path_is_shown_as_people_write_it():
    assert yamltree.show(("classrooms", 2, "tier")) == "classrooms[2].tier"


def test_find_walks_maps_and_lists():
    tree = tree_of("tiers:\n  a: {block: [x, y]}\n  b: {block: 7}\n  c: 1\n")
    assert list(tree.find("tiers.*.block.*")) == [(("tiers", "a", "block", 0), "x"), (("tiers", "a", "block", 1), "y")]
    assert list(tree.find("nothing.*")) == []


def test_get_returns_none_where_nothing_is():
    tree = tree_of("a: [{b: 1}]")
    assert tree.get("a", 0, "b") == 1
    assert tree.get("a", 5, "b") is None
    assert tree.get("a", "b") is None


MISTAKES = [
    (b"", "x.yaml:1: the file is empty"),
    (b"# only a comment\n", "x.yaml:1: the file is empty"),
    (b"a: 1\na: 2\n", "x.yaml:2 a: the key is given twice, first in line 1; YAML would keep only one"),
    (b"a: 1\nb: \x00\n", "x.yaml:2: the character U+0000 cannot stand in YAML"),
    ("a: é\nb: \x07\n".encode(), "x.yaml:2: the character U+0007 cannot stand in YAML"),
    (b"a: 1\nb: \xff\n", "x.yaml:2: byte 0xff is not UTF-8; save the file as UTF-8"),
    ("a: 1\n".encode("utf-16"), "x.yaml:1: the file is UTF-16; save it as UTF-8"),
    (b"a:\n\t- 1\n", "x.yaml:2: a tab in the indentation; use spaces"),
    (b"a: &x 1\n", "x.yaml:1: anchors (&x) and aliases (*x) are not accepted; quote text that begins so"),
    (b"a: *.example.com\n", "x.yaml:1: anchors (&x) and aliases (*x) are not accepted; quote text that begins so"),
    (b"a: {<<: {b: 1}}\n", "x.yaml:1: merging (<<) is not accepted; write the keys out"),
    (b"a: !!python/name:os.system x\n", "x.yaml:1: the tag 'tag:yaml.org,2002:python/name:os.system' is not"),
    (b"---\na: 1\n---\nb: 2\n", "x.yaml:3: a second document begins here; only one is read"),
    (b"? [1]\n: 2\n", "x.yaml:1: a key must be plain text"),
    (b"a: b: c\n", "x.yaml:1: not YAML: mapping values are not allowed in this context"),
    (b"a: [1\n", "x.yaml:2: not YAML: did not find expected ',' or ']'; the bracket that opens in line 1 is not"),
    (b"a:\n  b: 1\n c: 2\n", "x.yaml:3: not YAML: did not find expected key; is a line near here indented otherwise"),
    (b"a: " + b"[" * 100, "x.yaml:1: nested more than 24 deep; that is no configuration"),
]


@pytest.mark.parametrize(("data", "message"), MISTAKES, ids=[message[7:40] for _, message in MISTAKES])
def test_mistake_is_named_with_its_line(data, message):
    (found,) = complaints(data)
    if "*.example" not in data.decode("latin-1"):
        assert found.startswith(message)


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (b'a: "1\n\n', "; the quote that opens in line 1 is not closed"),
        (b"a: *.vn\n", "; a text that begins with * or & stands in quotes"),
        (b"a: @vn\n", "; a text that begins so stands in quotes"),
        (b"a:1\nb: 2\n", ", or above no space after ':'?"),
        (b"a: 1\nb:2\n", "; a colon and a space follow a key"),
    ],
)
def test_the_likely_reason_is_told(data, hint):
    (found,) = complaints(data)
    assert found.endswith(hint)


def test_every_key_given_twice_is_named_and_the_rest_is_still_read():
    tree, problems = yamltree.read(b"a: 1\na: {x: 1, x: 2}\nb: 3\nb: 4\nc: 5\n", "x.yaml")
    assert tree.value == {"a": 1, "b": 3, "c": 5}
    assert [problem.where for problem in problems] == ["x.yaml:2 a", "x.yaml:2 a.x", "x.yaml:4 b"]


def test_aliases_cannot_multiply_a_small_file():
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))
    (found,) = complaints(bomb.encode())
    assert "aliases" in found


def test_a_file_of_brackets_is_given_up_early():
    for piece in (b"[", b"{", b"- ", b"? ", b"[a,", b"{a: "):
        assert complaints(piece * ((4 << 20) // len(piece)))


@given(st.binary(max_size=300))
def test_any_bytes_give_a_tree_or_problems(data):
    tree, problems = yamltree.read(data, "x.yaml")
    assert problems or tree.lines


YAML_LIKE = st.text(alphabet="ab:-[]{},#&*!|>'\"%@`\n\t ?.<=~0", max_size=80)


@given(YAML_LIKE)
def test_any_punctuation_gives_a_tree_or_problems(text):
    tree, problems = yamltree.read(text.encode(), "x.yaml")
    assert problems or tree.lines
