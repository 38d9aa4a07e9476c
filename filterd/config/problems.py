"""Words for mistakes: where, what was seen, what was expected, and "did you mean".

Turns pydantic's errors about one file into `Problem`s with the file's lines. It checks nothing itself.
"""

from __future__ import annotations

import difflib
import typing
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

from filterd.config import units, yamltree
from filterd.config.yamltree import Path, Tree
from filterd.errors import Problem

MAX_SHOWN = 12


def at(file: str, tree: Tree, path: Path, what: str) -> Problem:
    """A problem at a path of a file."""
    known = tree.known(path)
    where = f"{file}:{tree.line(known)}"
    return Problem(f"{where} {yamltree.show(known)}" if known else where, what)


def suggest(word: str, known: Iterable[str]) -> str:
    """`did you mean 'thcs'?`, or else what there is; ready to follow a semicolon."""
    words = sorted(set(known))
    near = nearest(word, words)
    if near is not None:
        return f"did you mean {near!r}?"
    if not words:
        return "there is none"
    more = f" and {len(words) - MAX_SHOWN} more" if len(words) > MAX_SHOWN else ""
    return "there is " + ", ".join(words[:MAX_SHOWN]) + more


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The word that was probably meant, or None."""
    return next(iter(difflib.get_close_matches(word.lower(), sorted(set(known)), n=1, cutoff=0.6)), None)


def of_validation(file: str, tree: Tree, model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """Every mistake pydantic saw in one file, in the order of the lines."""
    details = error.errors(include_url=False)
    meant = {_meant(model, detail["loc"]) for detail in details if detail["type"] == "extra_forbidden"}
    found: list[tuple[int, Problem]] = []
    for detail in details:
        path = detail["loc"]
        if detail["type"] != "missing" or path not in meant:  # a misspelt key is one mistake, not two
            found.append((tree.line(path), at(file, tree, path, _word(detail, tree, model))))
    return [problem for _, problem in sorted(found, key=lambda pair: pair[0])]


def _meant(model: type[BaseModel], path: Path) -> Path:
    """The path of the key that an unknown key was probably meant to be."""
    near = nearest(str(path[-1]), _keys(model, path[:-1]))
    return (*path[:-1], near) if near is not None else ()


def _word(detail: Any, tree: Tree, model: type[BaseModel]) -> str:
    path: Path = detail["loc"]
    if detail["type"] == "missing":
        return f"{path[-1]!r} is missing"
    if detail["type"] == "extra_forbidden":
        return f"unknown key {path[-1]!r}; {suggest(str(path[-1]), _keys(model, path[:-1]))}"
    word = _WORDS.get(detail["type"])
    if word is not None:
        return word(detail.get("ctx", {}), tree.plain.get(path), detail["input"])
    return f"{units.shown(detail['input'])} is not accepted: {detail['msg']}"


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return f"the text {units.shown(value)}"
    return "a list" if isinstance(value, list) else "a map"


def _text(_: Any, plain: str | None, value: Any) -> str:
    if plain:
        return f'{plain} is read as {_kind(value)}, text was expected; write it in quotes: "{plain}"'
    return f"{_kind(value)} stands here, text was expected"


def _expected(what: str) -> Callable[[Any, str | None, Any], str]:
    return lambda _, __, value: f"{_kind(value)} stands here, {what} was expected"


def _choice(context: Any, _: str | None, value: Any) -> str:
    return f"{units.shown(value)} is not one of {context['expected'].replace(chr(39), '')}"


_WORDS: dict[str, Callable[[Any, str | None, Any], str]] = {
    "value_error": lambda context, _, __: str(context["error"]),
    "string_type": _text,
    "literal_error": _choice,
    "bool_type": _expected("true or false"),
    "int_type": _expected("a whole number"),
    "int_from_float": _expected("a whole number"),
    "float_type": _expected("a number"),
    "list_type": _expected("a list"),
    "dict_type": _expected("a map (key: value)"),
    "model_type": _expected("a map (key: value)"),
    "greater_than_equal": lambda context, _, value: f"{value} is too small; at least {context['ge']}",
    "less_than_equal": lambda context, _, value: f"{value} is too large; at most {context['le']}",
    "too_short": lambda context, _, __: f"needs at least {context['min_length']}",
    "too_long": lambda context, _, __: f"has {context['actual_length']}; at most {context['max_length']} are accepted",
    "string_too_long": lambda context, _, __: f"longer than {context['max_length']} characters",
}


def _keys(model: type[BaseModel], path: Path) -> list[str]:
    """The keys that may stand at a path of a model."""
    kind: Any = model
    for step in path:
        kind = _below(kind, step)
    return list(kind.model_fields) if _is_model(kind) else []


def _below(kind: Any, step: str | int) -> Any:
    if _is_model(kind):
        field = kind.model_fields.get(step)
        kind = field.annotation if field is not None else None
    else:
        arguments = typing.get_args(kind)
        kind = arguments[-1] if arguments else None
    return _bare(kind)


def _bare(kind: Any) -> Any:
    """A type without Annotated and `| None`."""
    while True:
        arguments = [a for a in typing.get_args(kind) if a is not type(None)]
        if hasattr(kind, "__metadata__") or (len(arguments) == 1 and type(None) in typing.get_args(kind)):
            kind = arguments[0]
        else:
            return kind


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
