"""Runs the ```console blocks of one page in order, as a reader would type them, in a copy of the configuration.

`filterd` is this checkout; a server started by `filterd run` listens on free ports in place of the documented ones,
which are put back into what is shown. Commands that would install, fetch or wait are not run but checked (`CHECKED`).
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import cast

import click
import dns.message
import dns.query

from filterd.cli.main import main
from tests.docs.markdown import ROOT, Block

PORTS = {"5300": "127.0.0.1:5300", "9953": "127.0.0.1:9953"}
TIMEOUT_S = 60.0


def _script(command: str) -> str | None:
    """Whether a script of this project exists and knows every flag that the page shows."""
    words = command.split()
    path = ROOT / words[1]
    if not path.is_file():
        return f"there is no {words[1]}"
    unknown = [flag for flag in words[2:] if flag.startswith("--") and flag not in path.read_text(encoding="utf-8")]
    return f"{words[1]} does not know {unknown[0]}" if unknown else None


def _unit(command: str) -> str | None:
    """Whether the units and files of systemd/ that a command names exist."""
    named = re.findall(r"(?:systemd/|(?<= ))([\w-]+(?:\.[\w]+)?\.(?:socket|service|conf|timer))\b", command)
    missing = [name for name in named if not list((ROOT / "systemd").glob(name))]
    return f"there is no systemd/{missing[0]}" if missing else None


def unknown_words(command: str) -> str | None:
    """Whether a command line of `filterd` names commands and flags that exist; words in capitals stand for others."""
    words = command.split()[1:]
    context, found = click.Context(main, info_name="filterd"), cast(click.Command, main)
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        word = words.pop(0)
        if word not in found.list_commands(context):
            return f"filterd has no command {word!r}"
        found = cast(click.Command, found.get_command(context, word))
    flags = {flag for option in found.get_params(context) for flag in option.opts} | {"--help", "-h"}
    wrong = [word for word in words if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in flags]
    return f"{found.name} has no flag {wrong[0]}" if wrong else None


def _installed(command: str) -> str | None:
    return unknown_words(command.partition("/bin/")[2])


def _nothing(_: str) -> None:
    """Commands of the system, which this project cannot vouch for."""


# Commands that are not run, and what is checked instead.
CHECKED = (
    (re.compile(r"sh deploy/\S+\.sh( |$)"), _script),
    (re.compile(r"python benchmarks/\S+\.py( |$)"), _script),
    (re.compile(r"sudo (systemctl|cp|install) "), _unit),
    (re.compile(r"sudo (-u filterd-update )?/opt/filterd/venv/bin/filterd "), _installed),
    (
        re.compile(
            r"sudo (python3 -m venv|/opt/filterd/venv/bin/pip install|ln -s|systemd-sysusers|systemd-tmpfiles|sed -i) "
        ),
        _nothing,
    ),
    (re.compile(r"filterd update(?!.* --(offline|from))"), unknown_words),  # needs the Internet
    (re.compile(r"FILTERD_COMPILED=1 pip wheel "), _nothing),  # tests/deploy/test_backend.py builds it
    (re.compile(r"(sudo )?apt-get (update|install) ?"), _nothing),
    (re.compile(r"\. \.venv/bin/activate$"), _nothing),
    (re.compile(r"journalctl "), _nothing),
)


class Console:
    """One page's terminal. `close` ends the server that the page started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports = {documented: str(_free_port()) for documented in PORTS}
        self._server: subprocess.Popen[str] | None = None
        for name in ("policies", "blocklists"):
            shutil.copytree(ROOT / name, folder / name)
        programs = folder / ".bin"
        programs.mkdir()
        (programs / "filterd").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m filterd "$@"\n')
        (programs / "filterd").chmod(0o755)
        self._environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def play(self, block: Block) -> list[str]:
        """Run every command of a block; gives what went wrong, each with its place.

        Exit code 0 is expected, or 1 too where the page shows output; ```console exit=2 is about the last command.
        """
        wrong = []
        typed = commands(block)
        for line, command, expected in typed:
            last = command == typed[-1][1]
            problem = self._one(command, expected, block.info if last else "")
            if problem is not None:
                wrong.append(f"{block.path.relative_to(ROOT)}:{block.line + line}: $ {command}\n{problem}")
        return wrong

    def close(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.communicate(timeout=TIMEOUT_S)

    def _one(self, command: str, expected: list[str], info: str) -> str | None:
        for pattern, check in CHECKED:
            if pattern.match(command):
                return check(command)
        if command.startswith("filterd run"):
            return self._start(command, expected)
        if command.startswith("dig "):
            problem = _compare(expected, _asked(self._moved(command)))
            if problem is not None or shutil.which("dig") is None:
                return problem
        done = subprocess.run(
            ["sh", "-c", self._moved(command)],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=TIMEOUT_S,
        )
        allowed = {int(info.removeprefix("exit="))} if info.startswith("exit=") else {0, 1} if expected else {0}
        if done.returncode not in allowed:
            return f"exit code {done.returncode}; {sorted(allowed)} was expected\n{done.stdout}"
        return _compare(expected, self._shown(done.stdout)) if expected else None

    def _start(self, command: str, expected: list[str]) -> str | None:
        """Start the server the page starts, on free ports, and wait until it answers."""
        flags = [f"--listen 127.0.0.1:{self._ports['5300']}", f"--metrics 127.0.0.1:{self._ports['9953']}"]
        self._server = subprocess.Popen(
            ["sh", "-c", f"exec {command} --workers 1 {' '.join(flags)}"],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        assert self._server.stderr is not None
        said = ""
        for line in self._server.stderr:
            said += line
            if "filterd: policy" in line:  # the last line of a start
                return _compare(expected, self._shown(said)) if expected else None
        return f"the server ended\n{said}"

    def _moved(self, command: str) -> str:
        for documented, port in self._ports.items():
            command = re.sub(rf"\b{documented}\b", port, command)
        return command

    def _shown(self, text: str) -> str:
        for documented, port in self._ports.items():
            text = re.sub(rf"\b{port}\b", documented, text)
        return text


def commands(block: Block) -> list[tuple[int, str, list[str]]]:
    """(line within the block, command, expected lines) of every `$ ` line."""
    found: list[tuple[int, str, list[str]]] = []
    for number, line in enumerate(block.text.splitlines()):
        if line.startswith("$ "):
            found.append((number, line[2:], []))
        elif found and found[-1][1].endswith("\\"):
            found[-1] = (found[-1][0], found[-1][1][:-1].rstrip() + " " + line.strip(), [])
        else:
            assert found, f"{block.where}: a console block begins with '$ '"
            found[-1][2].append(line)
    return found


def _compare(expected: list[str], shown: str) -> str | None:
    """None if the output is what the page shows; a line of `...` stands for any lines, `...` in one for any text."""
    parts = []
    for line in [line.rstrip() for line in expected]:
        parts.append(r"(?:.*\n)*?" if line == "..." else ".*?".join(map(re.escape, line.split("..."))) + "\n")
    text = "".join(line.rstrip() + "\n" for line in shown.splitlines())
    return (
        None
        if re.fullmatch("".join(parts), text)
        else f"--- the page shows\n{chr(10).join(expected)}\n--- it is\n{text}"
    )


def _asked(command: str) -> str:
    """What `dig -b CLIENT -p PORT @SERVER NAME +short` prints, asked without it."""
    match = re.fullmatch(r"dig -b (\S+) -p (\d+) @(\S+) (\S+) \+short", command)
    assert match is not None, f"write it as dig -b CLIENT -p PORT @SERVER NAME +short: {command}"
    query = dns.message.make_query(match[4], "A")
    answer = dns.query.udp(query, match[3], timeout=TIMEOUT_S, port=int(match[2]), source=match[1])
    return "".join(f"{record}\n" for found in answer.answer for record in found)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
