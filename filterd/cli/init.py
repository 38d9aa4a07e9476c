"""`filterd init DIR`: a new configuration directory, copied from what the project ships.

The one of the installed service keeps its state where the service does, so that every command looks there by itself.
"""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import click

import filterd
from filterd.cli import options
from filterd.config.files import BLOCKLISTS, POLICIES
from filterd.errors import ConfigError, Problem

NEXT = """\
{dir} holds a configuration. Edit next:
  policies/school.yaml     the school's name, code, networks, listen, upstreams
  policies/classes.yaml    its classes and rooms with their subnets
  policies/contacts.yaml   its own numbers, and verify the others
Then: filterd check -c {dir}"""
SERVICE_STATE = "/var/lib/filterd"  # as in systemd/


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
def init(directory: Path) -> None:
    """Write a new configuration directory: policies/ and blocklists/ in DIR, which must be empty or not there."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConfigError([Problem(str(directory), "is not empty; init only writes into a new or an empty directory")])
    copy(shipped(), directory)
    if directory.resolve() == options.INSTALLED:
        school = directory / POLICIES / "school.yaml"
        text = school.read_text(encoding="utf-8")
        school.write_text(text.replace("\nstate_dir: var\n", f"\nstate_dir: {SERVICE_STATE}\n"), encoding="utf-8")
    click.echo(NEXT.format(dir=directory))


def shipped() -> Path:
    """Where the project's own configuration is: the checkout, else where the package put it. Raises ConfigError."""
    places = [Path(filterd.__file__).resolve().parents[1]]
    schemes = [sysconfig.get_default_scheme(), "posix_user"]
    places += [Path(sysconfig.get_path("data", scheme)) / "share" / "filterd" for scheme in schemes]
    for place in places:
        if (place / POLICIES / "school.yaml").is_file() and (place / BLOCKLISTS).is_dir():
            return place
    looked = ", ".join(map(str, places))
    raise ConfigError([Problem("init", f"no shipped policies/ and blocklists/ in {looked}")])


def copy(source: Path, directory: Path) -> None:
    """Copy both folders; all of it or nothing. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    try:
        for folder in (POLICIES, BLOCKLISTS):
            shutil.copytree(
                source / folder,
                directory / folder,
                ignore=shutil.ignore_patterns(".*"),
                copy_function=shutil.copyfile,
            )
    except OSError:
        for folder in (POLICIES, BLOCKLISTS):
            shutil.rmtree(directory / folder, ignore_errors=True)
        raise
