"""A school's box for tests of whole runs: a configuration whose lists are on a web server of the test, and nights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from filterd.store import build, status, tables
from filterd.update.clock import RELEASED
from filterd.update.run import Options, Result, World, run
from filterd.update.sources import SourceResult
from tests import configs
from tests.update.webserver import WebServer

NIGHT_S = 86400


def body(count: int, first: int = 0, more: Iterable[str] = ()) -> bytes:
    """A list of so many made-up names, and some that matter."""
    names = [f"site-{number}.example" for number in range(first, first + count)]
    return "\n".join([*more, *names, ""]).encode()


class Watching:
    """Remembers what it was shown."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.steps: list[str] = []
        self.bytes = 0

    def fetching(self, source: str, done: int, total: int | None) -> None:
        assert total is None or done <= total, source
        self.bytes = done

    def settled(self, source: str, result: SourceResult) -> None:
        self.lines.append((source, result.outcome))

    def step(self, text: str) -> None:
        self.steps.append(text)


class Box:
    """`sources` are lines of sources.yaml beside the curated list; `{web}` in them is the server's address."""

    def __init__(self, directory: Path, web: WebServer | None, *sources: str, **changes: str) -> None:
        self.config, self.state = directory / "config", directory / "state"
        self.web = web
        base = configs.FILES["blocklists/sources.yaml"]
        lines = "".join(f"  - {line}\n" for line in sources)
        here = "" if web is None else web.url("").rstrip("/")
        configs.write(self.config, **changes)
        (self.config / "blocklists/sources.yaml").write_text(base + lines.replace("{web}", here), encoding="utf-8")
        self.now = float(RELEASED + 30 * NIGHT_S)
        self.pauses: list[float] = []
        self.watch = Watching()

    def night(self, **options: object) -> Result:
        """A run, a day after the one before."""
        self.now += NIGHT_S
        return self.again(**options)

    def again(self, **options: object) -> Result:
        """A run now."""
        self.watch = Watching()
        fetching_s = float(str(options.pop("fetching_s", 60.0)))
        world = World(now=lambda: self.now, pause=self.pauses.append, fetching_s=fetching_s)
        return run(self.config, self.state, Options(**options), self.watch, world)  # type: ignore[arg-type]

    def outcome(self, source: str) -> tuple[str, str]:
        """What status.json says of a source."""
        row = status.read(self.state)["sources"][source]
        return row["outcome"], row["why"]

    @property
    def generation(self) -> str | None:
        return tables.current(self.state)

    def blocks(self, name: str) -> bool:
        """Whether any list of the table in force has the name."""
        from filterd.core import names

        assert self.generation is not None
        table = tables.open_table(tables.verify(self.state, self.generation))
        return bool(table.mask(names.key_of_text(name)))

    def is_up_to_date(self, sources: Iterable[object]) -> bool:
        made_of = build.fingerprint(sources, self.config / "blocklists", self.state)  # type: ignore[arg-type]
        return made_of == build.fingerprint_in_force(self.state)


def source(name: str, path: str, more: str = "") -> str:
    """A line of sources.yaml."""
    said = "format: domains, category: games, licence: MIT, allow_http: true, allow_private: true"
    return f'{{id: {name}, name: {name}, url: "{{web}}{path}", {said}{more}}}'


GAMES = source("games-list", "/games.txt")
MORE = source("more-list", "/more.txt")
FIRST = body(100, more=["game.example"])
