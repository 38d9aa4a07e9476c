import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from filterd import __version__
from filterd.cli import main as cli
from filterd.errors import ConfigError, Problem, TableError


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(found.stdout.split())


def test_help_lists_commands_without_importing_them():
    statement = (
        "from click.testing import CliRunner; from filterd.cli.main import main; CliRunner().invoke(main, ['-h'])"
    )
    modules = modules_after(statement)
    assert "filterd.cli.main" in modules
    assert not modules & {"filterd.cli.check", "filterd.cli.site", "pydantic", "yaml", "ruamel.yaml"}


@pytest.mark.parametrize("command", sorted(cli._present()))
def test_every_command_is_found_under_its_name_and_has_help(command):
    result = CliRunner().invoke(cli.main, [command, "--help"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"Usage: main {command}")


def test_version_is_told():
    assert __version__ in CliRunner().invoke(cli.main, ["--version"]).output


def test_unknown_command_says_what_there_is():
    result = CliRunner().invoke(cli.main, ["chekc"])
    assert result.exit_code == 2
    assert "there is no command 'chekc'; there is account, audit, check, " in result.stderr


class Failing(cli.LazyGroup):
    """A group with one command that fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def resolve_command(self, ctx, args):
        return "fail", self.get_command(ctx, "fail"), []

    def get_command(self, ctx, cmd_name):
        def fail() -> None:
            raise self.error

        return cli.click.Command("fail", callback=fail)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TableError("table 7 is truncated"), "filterd: table 7 is truncated\n"),
        (PermissionError(13, "Permission denied", "/x"), "filterd: /x: Permission denied\n"),
        (OSError(98, "cannot listen on x: it is taken"), "filterd: cannot listen on x: it is taken\n"),
        (
            ConfigError([Problem("a.yaml:1 x", "no"), Problem("a.yaml:2 y", "nor this")]),
            f"a.yaml:1 x: no\na.yaml:2 y: nor this\n{cli.KEPT}\n",
        ),
    ],
    ids=["filterd", "file", "system", "configuration"],
)
def test_bad_input_is_told_on_stderr_with_exit_code_2(error, told):
    result = CliRunner().invoke(Failing(error), ["fail"])
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", told)


def test_a_bug_is_not_dressed_up_as_bad_input():
    result = CliRunner().invoke(Failing(ZeroDivisionError()), ["fail"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_module_can_be_run():
    result = subprocess.run([sys.executable, "-m", "filterd", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout == f"filterd, version {__version__}\n"


def test_a_terminal_without_vietnamese_letters_gets_question_marks(tmp_path):
    command = [sys.executable, "-m", "filterd", "init", str(tmp_path / "trường")]
    done = subprocess.run(command, env={**os.environ, "PYTHONIOENCODING": "latin-1"}, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"tr??ng holds a configuration" in done.stdout
