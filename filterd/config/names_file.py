"""Edits of `policies/names.yaml` as text: one entry more, one less, one changed; everything else stays byte for byte.

ruamel's own round trip moves or drops the comments beside a removed entry, so only its marks are used (where each
entry begins and ends) and its writer (how one entry is spelled). Bytes in, bytes out; the text given must have passed
`load`. Who calls checks the result by loading it again.
"""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, SequenceNode
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from filterd.core.policy import SchoolName


def add(data: bytes, entry: SchoolName) -> bytes:
    """The text with `entry` as the last of its list."""
    text, newline = _text(data)
    verb = "allow" if entry.allow else "block"
    found = _list(text, verb)
    item = spelled(entry)
    if found is None:
        glue = "" if text.endswith(("\n", "\r")) else newline
        return f"{text}{glue}{verb}:{newline}  - {item}{newline}".encode()
    key, items = found
    if not isinstance(items, SequenceNode):  # the key with nothing behind it
        return _insert_line(text, key.end_mark.index, f"  - {item}", newline)
    if items.flow_style and items.value:
        at = _end(text, items.value[-1])
        return f"{text[:at]}, {item}{text[at:]}".encode()
    if items.flow_style:
        start = key.end_mark.index
        rest = text[items.end_mark.index :]
        return _insert_line(f"{text[:start]}:{rest}", start, f"  - {item}", newline)
    margin = " " * items.start_mark.column
    return _insert_line(text, _end(text, items.value[-1]), f"{margin}- {item}", newline)


def remove(data: bytes, allow: bool, index: int) -> bytes:
    """The text without entry `index` of its list."""
    text, _ = _text(data)
    key, items = _must_list(text, allow)
    if items.flow_style:
        return _remove_from_flow(text, items, index).encode()
    dash = text.rindex("-", 0, items.value[index].start_mark.index)
    start = text.rfind("\n", 0, dash) + 1
    stop = text.find("\n", _end(text, items.value[index])) + 1 or len(text)
    if len(items.value) == 1:
        colon = text.index(":", key.end_mark.index) + 1
        return f"{text[:colon]} []{text[colon:start]}{text[stop:]}".encode()
    return f"{text[:start]}{text[stop:]}".encode()


def replace(data: bytes, index: int, entry: SchoolName) -> bytes:
    """The text with entry `index` of its list spelled anew. Raises ValueError where that would lose a comment."""
    text, _ = _text(data)
    _, items = _must_list(text, entry.allow)
    old = items.value[index]
    start, stop = old.start_mark.index, _end(text, old)
    if "\n" in text[start:stop] and "#" in text[start:stop]:
        raise ValueError(f"{entry.name} has comments inside its entry; edit it by hand")
    return f"{text[:start]}{spelled(entry)}{text[stop:]}".encode()


def spelled(entry: SchoolName) -> str:
    """One entry as a line of YAML: `vi-du.vn`, or `{name: vi-du.vn, tiers: [thcs]}`."""
    if not (entry.tiers or entry.classes or entry.reason):
        return _dump(entry.name)
    found = CommentedMap({"name": entry.name})
    for key, ids in (("tiers", entry.tiers), ("classes", entry.classes)):
        if ids:
            found[key] = CommentedSeq(_unmistakable(ident) for ident in ids)
            found[key].fa.set_flow_style()
    if entry.reason:
        found["reason"] = DoubleQuotedScalarString(entry.reason)
    found.fa.set_flow_style()
    return _dump(found)


def _unmistakable(ident: str) -> str:
    """Ids that look like numbers in quotes."""
    return DoubleQuotedScalarString(ident) if ident.isdigit() else ident


def _dump(value: Any) -> str:
    yaml = YAML()
    yaml.width = 1 << 20
    stream = io.StringIO()
    yaml.dump(value, stream)
    return stream.getvalue().removesuffix("...\n").strip()


def _text(data: bytes) -> tuple[str, str]:
    text = data.decode("utf-8-sig")
    return text, "\r\n" if "\r\n" in text else "\n"


def _list(text: str, verb: str) -> tuple[Any, Any] | None:
    """The nodes of a key and of its value, or None."""
    try:
        root = YAML().compose(io.StringIO(text))
    except YAMLError as error:  # what libyaml reads and ruamel does not
        raise ValueError(f"cannot be edited safely; edit it by hand ({str(error).splitlines()[0]})") from None
    assert isinstance(root, MappingNode)
    if root.flow_style:
        raise ValueError("is one map in braces; write `allow:` and `block:` on lines of their own")
    for key, value in root.value:
        if key.value == verb:
            return key, value
    return None


def _must_list(text: str, allow: bool) -> tuple[Any, SequenceNode]:
    found = _list(text, "allow" if allow else "block")
    assert found is not None and isinstance(found[1], SequenceNode)
    return found


def _end(text: str, node: Any) -> int:
    """Where a node's own text ends; the marks of block collections reach into what follows."""
    if isinstance(node, MappingNode) and not node.flow_style and node.value:
        key, value = node.value[-1]
        return max(_end(text, value), text.index(":", key.end_mark.index) + 1)
    if isinstance(node, SequenceNode) and not node.flow_style and node.value:
        return _end(text, node.value[-1])
    start = int(node.start_mark.index)
    return start + len(text[start : node.end_mark.index].rstrip())


def _insert_line(text: str, after: int, line: str, newline: str) -> bytes:
    """A line below the one that `after` stands in."""
    at = text.find("\n", after) + 1
    if at == 0:
        return f"{text}{newline}{line}{newline}".encode()
    return f"{text[:at]}{line}{newline}{text[at:]}".encode()


def _remove_from_flow(text: str, items: SequenceNode, index: int) -> str:
    spans = [(node.start_mark.index, _end(text, node)) for node in items.value]
    start, stop = spans[index]
    if len(spans) == 1:
        start, stop = items.start_mark.index + 1, items.end_mark.index - 1
    elif index + 1 < len(spans):
        stop = spans[index + 1][0]
    else:
        start = spans[index - 1][1]
    return text[:start] + text[stop:]
