"""Options every command has, and what they mean when they are left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

INSTALLED = Path("/etc/filterd")

Command = TypeVar("Command", bound=Callable[..., Any])


def default_config_dir(installed: Path = INSTALLED) -> Path:
    """/etc/filterd where it exists, else the current directory."""
    return installed if installed.is_dir() else Path()


def config_option(command: Command) -> Command:
    """`-c DIR`, given to the command as `config_dir: Path`."""
    return click.option(
        "-c",
        "--config",
        "config_dir",
        type=click.Path(file_okay=False, path_type=Path),
        default=default_config_dir,
        metavar="DIR",
        help="Directory with policies/ and blocklists/.  [default: /etc/filterd if it exists, else here]",
    )(command)


def state_option(command: Command) -> Command:
    """`--state-dir DIR`, given to the command as `state_dir: Path | None`; None: what school.yaml says."""
    return click.option(
        "--state-dir",
        type=click.Path(file_okay=False, path_type=Path),
        default=None,
        metavar="DIR",
        help="Directory of the box's own files.  [default: state_dir of school.yaml]",
    )(command)
