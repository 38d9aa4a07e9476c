"""`filterd`: finds the command asked for and imports only that one, so that the server never loads an editor of YAML.

A command `x` is the click command `x` in `filterd/cli/x.py`. Exit codes: 0 well, 1 a negative result, 2 bad input.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import os
import sys
from typing import Any

import click

from filterd import __version__
from filterd.errors import ConfigError, FilterdError

COMMANDS = {
    "account": "Add, list and end the accounts of teachers and staff.",
    "audit": "Show who changed what, and check the log of it.",
    "check": "Check the whole configuration; every mistake at once.",
    "explain": "Show how a name is decided for a class or client, and why.",
    "init": "Write a new configuration directory.",
    "keys": "Make keys for signed bundles, and say whose are trusted.",
    "lists": "Show the lists and the table; accept, hold, go back, compare.",
    "override": "Set, open or close something for a class for a while.",
    "run": "Run the DNS filter.",
    "safesearch": "List which search engines are in safe mode for whom.",
    "site": "Open or close one name for the school, a tier or a class.",
    "timetable": "Show who is where by the timetable; import a week from CSV.",
    "update": "Renew the lists: fetch, judge, try, put in force.",
}

KEPT = "Nothing was changed; in force: the running server, if any, keeps what it had."


def _present() -> list[str]:
    return [name for name in COMMANDS if importlib.util.find_spec(f"filterd.cli.{name}") is not None]


def _told(error: Exception) -> str:
    """An error in words: of the system's, the file and the reason without the number."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    told = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{told} (try it with sudo)" if isinstance(error, PermissionError) and os.geteuid() else told


def _show_what_can_be_shown() -> None:
    """A terminal without Vietnamese letters gets `?` for them, and not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


class LazyGroup(click.Group):
    """Commands by the name of their module; mistakes of the input end with exit code 2 and no traceback."""

    def list_commands(self, _: click.Context) -> list[str]:
        return _present()

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _present():
            return None
        command = getattr(importlib.import_module(f"filterd.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in _present()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in _present():
            ctx.fail(f"there is no command {args[0]!r}; there is {', '.join(_present())}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        _show_what_can_be_shown()
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            click.echo(f"{error}\n{KEPT}", err=True)
        except BrokenPipeError:
            raise  # `filterd ... | head`: click ends it quietly
        except (FilterdError, OSError) as error:
            click.echo(f"filterd: {_told(error)}", err=True)
        return ctx.exit(2)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="filterd")
def main() -> None:
    """The DNS filter of a school: classes by subnet, tiers by age, a floor nobody lifts."""
