"""A whole night: `filterd update` of real lists from a web server on loopback, then a night on which nothing is new.

    python benchmarks/nightly.py --lists DIR [--rounds 3]

`DIR` holds unpacked lists as the projects publish them. The school is the one that `filterd init` writes, with these
lists for sources. Each run is a process of its own, as the timer starts it. CPU time of downloading is measured by
itself; all the rest (looking, judging, compiling, probing, publishing, keeping) is `after download`. What the metrics
of the lists' quality cost, once the new table is in force, has a row of its own. Prints Markdown.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from table_build import REAL

from tests.update.webserver import WebServer

ROOT = Path(__file__).resolve().parent.parent
LINE_LIMIT_US = 8.0
PEAK_LIMIT_BYTES = 450 << 20
UNCHANGED_LIMIT_S = 1.0
DAY_S = 86400
CHILD = """
import json, resource, sys, time
from pathlib import Path
from filterd.update import fetch, run as module
from filterd.update.run import Options, World, run

spent = {"fetch": 0.0, "quality": 0.0}
def timed(what, whole):
    def call(*arguments):
        started = time.process_time()
        try:
            return whole(*arguments)
        finally:
            spent[what] += time.process_time() - started
    return call
fetch.Fetcher.fetch = timed("fetch", fetch.Fetcher.fetch)
module.quality = timed("quality", module.quality)

class Quiet:
    def fetching(self, *_): pass
    def settled(self, *_): pass
    def step(self, _): pass

later = float(sys.argv[3])
found = run(Path(sys.argv[1]), Path(sys.argv[2]), Options(), Quiet(), World(now=lambda: time.time() + later)).status
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "cpu_s": used.ru_utime + used.ru_stime, "fetch_s": spent["fetch"], "quality_s": spent["quality"],
    "peak_bytes": used.ru_maxrss * 1024,
    "text": found["text"], "outcome": found["outcome"],
    "sources": {name: row["outcome"] for name, row in found["sources"].items()},
    "texts": {name: row["text"] for name, row in found["sources"].items()},
}))
"""


def served(lists: Path) -> tuple[dict[str, bytes], list[str], int]:
    """The files of a web server, the lines of sources.yaml for them, and how many lines all lists have together."""
    files: dict[str, bytes] = {}
    sources = []
    lines = 0
    for at, (path, form, wanted, member) in enumerate(REAL):
        found = lists / path
        category = "shopping" if wanted == "jobs" else wanted  # a school has no such category
        if found.is_dir():
            url = f"/{path}.tar"
            files.setdefault(url, _packed(found))
            inside = f"{found.name}/{member}"
        else:
            url = f"/{path}"
            files.setdefault(url, found.read_bytes())
            inside = member or ""
        part = f', member: "{inside}"' if inside else ""
        sources.append(
            f'  - {{id: real-{at}, name: real-{at}, url: "{{web}}{url}", format: {form}, category: {category}, '
            f"licence: unknown, allow_http: true, allow_private: true{part}}}\n"
        )
        lines += _lines(found, member)
    return files, sources, lines


def _packed(folder: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(folder, folder.name)
    return packed.getvalue()


def _lines(path: Path, member: str | None) -> int:
    if path.is_dir():
        return (path / str(member)).read_bytes().count(b"\n")
    if member is None:
        return path.read_bytes().count(b"\n")
    with tarfile.open(path) as tar:
        file = tar.extractfile(f"{member}/domains")
        return file.read().count(b"\n") if file is not None else 0


def night(config: Path, state: Path, day: int) -> dict[str, object]:
    command = [sys.executable, "-c", CHILD, str(config), str(state), str(day * DAY_S)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=Path, required=True, metavar="DIR")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    files, sources, lines = served(chosen.lists)
    full, unchanged = [], []
    with WebServer(files) as web:
        for _ in range(chosen.rounds):
            with tempfile.TemporaryDirectory() as temporary:
                config, state = Path(temporary) / "config", Path(temporary) / "state"
                subprocess.run([sys.executable, "-m", "filterd", "init", str(config)], cwd=ROOT, check=True,
                               capture_output=True)  # fmt: skip
                text = "sources:\n" + "".join(sources).replace("{web}", web.url("").rstrip("/"))
                (config / "blocklists/sources.yaml").write_text(text, encoding="utf-8")
                full.append(night(config, state, 0))
                unchanged.append(night(config, state, 1))
    return report(lines, full, unchanged)


def report(lines: int, full: list[dict[str, object]], unchanged: list[dict[str, object]]) -> int:
    first = full[0]
    outcomes = list(dict(first["sources"]).values())  # type: ignore[call-overload]
    taken = {kind: outcomes.count(kind) for kind in sorted(set(outcomes))}
    apart = ("fetch_s", "quality_s")
    line_us = min((float(str(n["cpu_s"])) - sum(float(str(n[key])) for key in apart)) / lines * 1e6 for n in full)
    quality_us = min(float(str(n["quality_s"])) / lines * 1e6 for n in full)
    peak = max(int(str(n["peak_bytes"])) for n in full)
    idle_s = min(float(str(n["cpu_s"])) for n in unchanged)
    print(f"{lines:,} lines of {len(outcomes)} lists: {taken}; the table: {first['outcome']} {first['text']}")
    print("\n| | measured | at most | |\n|---|---|---|---|")
    rows = [
        ("CPU a line after download, us", f"{line_us:.2f}", LINE_LIMIT_US, line_us <= LINE_LIMIT_US),
        ("peak memory, MB", f"{peak / 1e6:.0f}", PEAK_LIMIT_BYTES / 1e6, peak <= PEAK_LIMIT_BYTES),
        ("CPU of an unchanged night, s", f"{idle_s:.2f}", UNCHANGED_LIMIT_S, idle_s <= UNCHANGED_LIMIT_S),
    ]
    for name, measured, limit, well in rows:
        print(f"| {name} | {measured} | {limit:.0f} | {'met' if well else 'NOT met'} |")
    print(f"| measuring the lists' quality for metrics, when all that is done, us a line | {quality_us:.2f} | | |")
    wrong = {name: kind for name, kind in dict(unchanged[0]["sources"]).items() if kind != "unchanged"}  # type: ignore[call-overload]
    if wrong:
        print(f"\nnot unchanged on the second night: {wrong}")
    for name, text in dict(first["texts"]).items():  # type: ignore[call-overload]
        if dict(first["sources"])[name] != "taken":  # type: ignore[call-overload]
            print(f"\n{name}: {text}")
    return 0 if all(row[3] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
