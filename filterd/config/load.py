"""A configuration directory to values: stage everything, list every mistake, and only then hand something out.

Reads `DIR/policies/*.yaml` and `DIR/blocklists/sources.yaml`; writes nothing and keeps nothing. A caller that gets
ConfigError keeps what it had.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from filterd.config import compile as compiler
from filterd.config import compile_probes, crosscheck, files, problems, yamltree
from filterd.config.compile import Models
from filterd.config.schema_local import Local
from filterd.config.schema_people import Classes, Contacts
from filterd.config.schema_probes import Probes as ProbesFile
from filterd.config.schema_rules import FloorFile, Names, Profiles, Services, Tiers
from filterd.config.schema_school import School
from filterd.config.schema_search import SafeSearch
from filterd.config.schema_sources import Sources
from filterd.config.schema_timetable import Timetable
from filterd.config.yamltree import Tree
from filterd.core.policy import Policy
from filterd.core.probes import Probes
from filterd.core.source import Source
from filterd.core.updates import UpdateSettings
from filterd.errors import ConfigError, Problem

POLICY_MODELS: dict[str, type[BaseModel]] = {
    "school.yaml": School,
    "tiers.yaml": Tiers,
    "profiles.yaml": Profiles,
    "classes.yaml": Classes,
    "floor.yaml": FloorFile,
    "services.yaml": Services,
    "names.yaml": Names,
    "contacts.yaml": Contacts,
    "safesearch.yaml": SafeSearch,
    "local.yaml": Local,
    "probes.yaml": ProbesFile,
    "timetable.yaml": Timetable,
}
# A directory without these says what their models say by default.
OPTIONAL = frozenset({"safesearch.yaml", "local.yaml", "probes.yaml", "timetable.yaml"})
DEFAULT_STATE_DIR = "var"


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything a directory says. `models` for those who need what the compiled policy leaves out."""

    policy: Policy
    models: Models
    sources: tuple[Source, ...]
    updates: UpdateSettings
    probes: Probes
    trees: Mapping[str, Tree]


def load(config_dir: Path, staged: Mapping[str, bytes] | None = None) -> Policy:
    """The policy of a directory; `staged` replaces files of policies/ by name. Raises ConfigError, and only that."""
    return _policy(_Stage(config_dir, staged or {}))[0]


def load_sources(config_dir: Path) -> tuple[Source, ...]:
    """The lists of a directory, also those that are not enabled. Raises ConfigError, and only that."""
    stage = _Stage(config_dir, {})
    stage.read_sources()
    stage.read_policies({"tiers.yaml": Tiers})
    checked = stage.finish()
    return _sources(checked)


def load_all(config_dir: Path) -> Configuration:
    """Policy and lists together, with the mistakes of both. Raises ConfigError, and only that."""
    stage = _Stage(config_dir, {})
    stage.read_sources()
    policy, models, checked = _policy(stage)
    sources = _sources(checked)
    updates = compiler.to_updates(models.school.update)
    contacts = (name for contact in models.contacts.contacts for name in contact.names)
    probes = compile_probes.probes(models.probes, policy, contacts, sources)
    return Configuration(policy, models, sources, updates, probes, stage.trees)


def digest(config_dir: Path) -> str:
    """SHA-256 (hex) of policies/*.yaml, as `files.digest`."""
    return files.digest(config_dir)


def state_dir(config_dir: Path) -> Path:
    """Where school.yaml says the box keeps its own files. Works with broken files too: then it is DIR/var."""
    try:
        data = files.read(config_dir / files.POLICIES / "school.yaml")
    except (OSError, ValueError):
        data = b""
    found = yamltree.read(data, "school.yaml")[0].get("state_dir")
    usable = isinstance(found, str) and found.strip() and "\0" not in found
    return config_dir / (str(found) if usable else DEFAULT_STATE_DIR)


def _policy(stage: _Stage) -> tuple[Policy, Models, Mapping[str, BaseModel]]:
    digest_read = stage.read_policies(POLICY_MODELS)
    checked = stage.finish()
    found = {name: checked[name] if name in checked else model() for name, model in POLICY_MODELS.items()}
    models = Models(**{name.removesuffix(".yaml"): model for name, model in found.items()})  # type: ignore[arg-type]
    cpus = len(os.sched_getaffinity(0))
    return compiler.to_policy(models, digest_read, cpus, stage.config_dir.absolute()), models, checked


def _sources(checked: Mapping[str, BaseModel]) -> tuple[Source, ...]:
    found = checked[files.SOURCES]
    assert isinstance(found, Sources)
    return tuple(compiler.to_source(source) for source in found.sources)


class _Stage:
    """Files on their way to values: trees, models, and every mistake so far."""

    def __init__(self, config_dir: Path, staged: Mapping[str, bytes]) -> None:
        self.config_dir = config_dir
        self.staged = staged
        self.trees: dict[str, Tree] = {}
        self.folders: dict[str, str] = {}
        self.models: dict[str, BaseModel] = {}
        self.problems: list[Problem] = []

    def read_policies(self, wanted: Mapping[str, type[BaseModel]]) -> str:
        """Stage the files of policies/ that are wanted; the digest of all that were read."""
        if not (self.config_dir / files.POLICIES).is_dir():
            self.problems.append(Problem(str(self.config_dir), "has no folder policies/; `filterd init DIR` makes one"))
            return ""
        contents, failed = files.read_policies(self.config_dir)
        contents.update(self.staged)
        for name, model in wanted.items():
            if name in contents:
                self._stage(files.POLICIES, name, contents[name], model)
            elif name in failed or name not in OPTIONAL:
                self._missing(files.POLICIES, name, failed.get(name, "is missing"), contents)
        return files.digest_of(contents)

    def read_sources(self) -> None:
        """Stage blocklists/sources.yaml."""
        try:
            data = files.read(self.config_dir / files.BLOCKLISTS / files.SOURCES)
        except (OSError, ValueError) as error:
            self._missing(files.BLOCKLISTS, files.SOURCES, files.reason(error), ())
            return
        self._stage(files.BLOCKLISTS, files.SOURCES, data, Sources)

    def finish(self) -> Mapping[str, BaseModel]:
        """The checked models by file. Raises ConfigError with every mistake, by file and line."""
        self.problems += crosscheck.check(self.trees, self.folders)
        if self.problems:
            raise ConfigError(sorted(dict.fromkeys(self.problems), key=_by_file_and_line))
        return self.models

    def _stage(self, folder: str, name: str, data: bytes, model: type[BaseModel]) -> None:
        file = f"{folder}/{name}"
        tree, found = yamltree.read(data, file)
        self.problems += found
        if tree.value is None:
            if not found:
                self.problems.append(Problem(file, "holds nothing"))
            return
        self.trees[name] = tree
        self.folders[name] = folder
        try:
            self.models[name] = model.model_validate(tree.value)
        except ValidationError as error:
            self.problems += problems.of_validation(file, tree, model, error)

    def _missing(self, folder: str, name: str, why: str, others: Iterable[str]) -> None:
        unknown = [other for other in others if other not in POLICY_MODELS]
        near = problems.suggest(name, unknown) if why == "is missing" else ""
        hint = f"; {near}" if near.startswith("did you mean") else ""
        self.problems.append(Problem(f"{folder}/{name}", why + hint))


def _by_file_and_line(problem: Problem) -> tuple[str, int]:
    file, _, line = problem.where.partition(" ")[0].partition(":")
    return file, int(line) if line.isdigit() else 0
