"""What every test of the shipped files reads once: the configuration as the box loads it, and the suffix list."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from publicsuffixlist import PSLFILE

from filterd.config import load
from filterd.config.load import Configuration
from filterd.core.policy import Policy
from filterd.core.rules.suffixes import Suffixes
from tests.policies.shipped import DATA, ROOT


@pytest.fixture(scope="session")
def shipped() -> Configuration:
    return load.load_all(ROOT)


@pytest.fixture(scope="session")
def policy(shipped: Configuration) -> Policy:
    return shipped.policy


@pytest.fixture(scope="session")
def suffixes() -> Suffixes:
    return Suffixes(Path(PSLFILE).read_text(encoding="utf-8").splitlines())


@pytest.fixture(scope="session")
def real_lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lists of other projects, unpacked into a directory of this test session."""
    packed = DATA / "lists.tar.xz"
    if not packed.exists():
        pytest.skip("real lists are not beside the repository (../shared/data/lists.tar.xz)")
    folder = tmp_path_factory.mktemp("real-lists")
    with tarfile.open(packed) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Debian 12's Python has none yet
        archive.extractall(folder)
    return folder
