"""filterd as one more server: its bench configuration, its table built by its own command, its two kinds of sockets.

The configuration is the shipped one with a school of 20 classes, high limits and one list of category adult.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from lib import mix, pin, servers, start_shares

REPO = Path(__file__).parent.parent.parent
TIERS = ("tieu-hoc",) * 6 + ("thcs",) * 6 + ("thpt",) * 6 + ("staff",) * 2
_PROGRAM = "import sys; from filterd.cli.main import main; sys.argv[0] = 'filterd'; sys.exit(main())"


class Filterd(servers.Server):
    """filterd with one worker and a renewed pool of upstream sockets."""

    kind = "filterd"
    source_ports = "pool"
    package_root = REPO

    @classmethod
    def available(cls) -> str:
        found = importlib.util.spec_from_file_location("main", REPO / "filterd" / "cli" / "main.py")
        return "" if found and Path(str(found.origin)).exists() else "filterd.cli.main is not there"

    @classmethod
    def version(cls) -> str:
        done = subprocess.run(_filterd("--version"), capture_output=True, text=True, cwd=REPO, check=False)
        return f"{(done.stdout or 'filterd').strip()} on Python {sys.version.split()[0]}"

    def configure(self) -> None:
        self._write_policies()
        blocklists = self.place.directory / "blocklists"
        blocklists.mkdir()
        self.write("filterd-sources.yaml", table=self._list()).rename(blocklists / "sources.yaml")
        self._build()

    def start(self) -> None:
        """Start twice: the first start of a box also compiles the policy, every later one finds it compiled."""
        super().start()
        first_s = self.start_s
        self.stop()
        super().start()
        self.start_note = f"{start_shares.describe(self._state, self.start_s)}; first start ever {first_s:.2f} s"

    def command(self) -> list[str]:
        local = f"127.0.0.1:{self.place.port}"
        options = ["--listen", local, "--upstream", f"udp://127.0.0.1:{servers.UPSTREAM_PORT}", "--workers", "1"]
        arguments = ("run", *self._where(), *options, "--metrics", f"127.0.0.1:{self.place.control_port}")
        return _filterd(*arguments, root=self.package_root)

    def reload(self) -> Callable[[], None]:
        """Publish the other one of two generations; both were built beforehand, on purpose: see the README."""
        current = self._state / "CURRENT"
        generations = [current.read_bytes()]
        self._build()
        generations.append(current.read_bytes())
        turns = itertools.cycle(generations)

        def publish() -> None:
            half = current.with_suffix(".bench")
            half.write_bytes(next(turns))
            half.rename(current)

        return publish

    @property
    def _state(self) -> Path:
        return self.place.directory / "state"

    def _where(self) -> list[str]:
        return ["-c", str(self.place.directory), "--state-dir", str(self._state)]

    def _list(self) -> Path:
        """The list to compile; a list must not be empty, so "0 names" is one name nobody asks for."""
        if self.place.names:
            return self.place.table.resolve()
        single = self.place.directory / "one.txt"
        single.write_text("never-asked.example\n")
        return single

    def _write_policies(self) -> None:
        policies = self.place.directory / "policies"
        shutil.copytree(REPO / "policies", policies)
        self.write("filterd-school.yaml", source_ports=self.source_ports).rename(policies / "school.yaml")
        rows = [
            f"  - {{id: c{30 + c}, name: C{30 + c}, tier: {tier}, subnets: [127.0.{30 + c}.0/24]}}\n"
            for c, tier in enumerate(TIERS)
        ]
        (policies / "classes.yaml").write_text("classrooms:\n" + "".join(rows) + "rooms: []\n")

    def _build(self) -> None:
        done = pin.spawn(
            _filterd("lists", "build", *self._where()),
            pin.LOAD_CPU,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        text, _ = done.communicate(timeout=300)
        if done.returncode != 0:
            raise RuntimeError(f"filterd lists build failed: {text[-2000:]}")


class FilterdFresh(Filterd):
    """filterd with a fresh upstream socket for every query, as it does beyond loopback and private upstreams."""

    kind = "filterd-fresh"
    asked_hits = False
    source_ports = "fresh"


class FilterdCompiled(Filterd):
    """The same sources with the query path compiled by mypyc (`deploy/backend.py`); needs gcc and Python's headers."""

    kind = "filterd-compiled"
    package_root = REPO / "benchmarks" / ".cache" / "compiled"

    @classmethod
    @functools.cache
    def available(cls) -> str:
        shutil.rmtree(cls.package_root, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(cls.package_root), "."]
        environment = os.environ | {"FILTERD_COMPILED": "1"}
        done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else f"it does not compile here: {done.stderr[-300:]}"


def _filterd(*arguments: str, root: Path = REPO) -> list[str]:
    return [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(root)!r}); {_PROGRAM}", *arguments]


assert len(TIERS) == mix.CLASSES
