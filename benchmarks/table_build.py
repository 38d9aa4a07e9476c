"""How much memory, time and disk a table takes: real lists and as many generated names as are wanted.

    python benchmarks/table_build.py --names 4000000 [--lists DIR]

`DIR` holds unpacked lists as the projects publish them; without it all names are generated. Each measurement is a
process of its own. Prints Markdown. The generator is seeded: the same names on every run and machine.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from filterd.core import names
from filterd.core.compiler import Input, compile_table
from filterd.core.source import Source
from filterd.store import lists, suffixes, tables

SEED = 20261121
# path below DIR, format, category, member
REAL = [
    ("blocklistproject/drugs.txt", "hosts", "drugs", None),
    ("blocklistproject/facebook.txt", "hosts", "social", None),
    ("blocklistproject/phishing-nl.txt", "domains", "phishing", None),
    ("blocklistproject/redirect.txt", "hosts", "ads", None),
    ("blocklistproject/tiktok.txt", "hosts", "social", None),
    ("blocklistproject/youtube.txt", "hosts", "streaming", None),
    ("chongluadao/urls-ABP.txt", "adblock", "scam", None),
    ("dibdot-doh/doh-domains_overall.txt", "domains", "encrypted-dns", None),
    ("hagezi/adblock/anti.piracy.txt", "adblock", "piracy", None),
    ("hagezi/adblock/doh-vpn-proxy-bypass.txt", "adblock", "vpn-proxy", None),
    ("hagezi/adblock/gambling.txt", "adblock", "gambling", None),
    ("hagezi/adblock/tif.mini.txt", "adblock", "malware", None),
    ("hagezi/dnsmasq/nsfw.txt", "dnsmasq", "adult", None),
    ("hagezi/rpz/doh.txt", "rpz", "encrypted-dns", None),
    ("hagezi/wildcard/multi.txt", "wildcard", "ads", None),
    ("hagezi/wildcard/social.txt", "wildcard", "social", None),
    ("hostsvn/extensions/adult/domain.txt", "domains", "adult", None),
    ("hostsvn/extensions/gambling/domain.txt", "domains", "gambling", None),
    ("hostsvn/extensions/threat/domain.txt", "domains", "scam", None),
    ("hostsvn/option/domain.txt", "domains", "ads", None),
    ("shadowwhisperer/Adult", "domains", "adult", None),
    ("shadowwhisperer/Dating", "domains", "dating", None),
    ("shadowwhisperer/Shock", "domains", "violence", None),
    *(
        ("ut1/blacklists.tar.gz", "ut1", category, f"blacklists/{member}")
        for member, category in (
            ("gambling", "gambling"),
            ("drogue", "drugs"),
            ("games", "games"),
            ("dating", "dating"),
            ("redirector", "vpn-proxy"),
            ("vpn", "vpn-proxy"),
            ("doh", "encrypted-dns"),
            ("cryptojacking", "malware"),
            ("warez", "piracy"),
            ("social_networks", "social"),
            ("shopping", "shopping"),
            ("jobsearch", "jobs"),
        )
    ),
    ("v2fly/data", "v2fly", "games", "category-games"),
    ("v2fly/data", "v2fly", "social", "category-social-media-!cn"),
]
SYLLABLES = [a + b for a in "bcdghklmnprstvx" for b in ("a", "e", "i", "o", "u", "an", "et", "inh", "ong", "uy")]
HOSTS = ["", "", "", "", "www.", "m.", "cdn.", "api.", "go.", "live."]
TLDS = [".com"] * 10 + [".net", ".org", ".vn", ".xyz", ".top", ".info", ".online", ".site", ".com.vn", ".co", ".ru"]


def generated(count: int) -> Iterator[bytes]:
    """Chunks of a plain domain list of `count` names, all different, alike in shape to real ones."""
    rng = random.Random(SEED)
    pick = rng.choice
    for start in range(0, count, 1000):
        yield "".join(
            f"{pick(HOSTS)}{pick(SYLLABLES)}{pick(SYLLABLES)}{pick(SYLLABLES)}{number:x}{pick(TLDS)}\n"
            for number in range(start, min(start + 1000, count))
        ).encode()


def source(name: str, form: str, category: str, member: str | None = None, url: str = "") -> Source:
    return Source(name, name, url, form, category, "unknown", member=member)


def real_inputs(shelf: lists.Shelf, folder: Path, state: Path) -> list[Input]:
    found = []
    for at, (path, form, category, member) in enumerate(REAL):
        each = source(f"real-{at}", form, category, member, f"file:{path}")
        copy = lists.locate(each, folder, state)
        assert copy is not None
        found.append(shelf.take(copy))
    return shelf.in_reading_order(found)


def build(folder: Path | None, extra: int) -> dict[str, float]:
    """Compile and publish in this process; what it took."""
    with tempfile.TemporaryDirectory() as temporary, lists.Shelf() as shelf:
        state = Path(temporary)
        inputs = real_inputs(shelf, folder, state) if folder else []
        if extra:
            written = state / "generated.txt"
            with written.open("wb") as file:
                file.writelines(generated(extra))
            each = source("generated", "domains", "generated", url="file:generated.txt")
            copy = lists.locate(each, state, state)
            assert copy is not None
            inputs.append(shelf.take(copy))
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started, cpu = time.perf_counter(), time.process_time()
        compiled = compile_table(inputs, suffixes.load())
        for name, reason in compiled.refused.items():
            print(f"refused: {name}: {reason}", file=sys.stderr)
        lines = sum(report.lines for report in compiled.reports.values())
        generation = tables.publish(state, compiled, int(time.time()))
        taken = (time.perf_counter() - started, time.process_time() - cpu)
        count = compiled.names
        sets = len(compiled.sets)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        directory = tables.verify(state, generation)
        sizes = {path.name: path.stat().st_size for path in directory.iterdir()}
        table = tables.open_table(directory)
        miss, hit = look_ups(table)
    return {
        "names": count, "lines": lines, "sets": sets, "wall_s": taken[0], "cpu_s": taken[1], "peak_mb": peak / 1024,
        "base_mb": base / 1024, "trie": sizes["trie.marisa"], "array": sizes["sets.bin"], "meta": sizes["meta.json"],
        "miss_us": miss, "hit_us": hit,
    }  # fmt: skip


def look_ups(table: tables.Table) -> tuple[float, float]:
    """Microseconds of CPU for `mask` of names that are not listed, and of names the generator listed; best of five."""
    listed = b"".join(generated(20_000)).decode().split()
    unlisted = [f"www.{name.replace('.', 'q.', 1)}" for name in listed]
    found = []
    for texts in (unlisted, listed):
        keys = [names.key_of_text(text) for text in texts]
        random.Random(SEED).shuffle(keys)
        mask = table.mask
        best = 1e9
        for _ in range(5):
            started = time.process_time()
            for key in keys:
                mask(key)
            best = min(best, time.process_time() - started)
        found.append(best / len(keys) * 1e6)
    return found[0], found[1]


def in_child(folder: Path | None, extra: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", "--names", str(extra)]
    if folder:
        command += ["--lists", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--names", type=int, default=4_000_000, help="distinct names wanted in all")
    parser.add_argument("--lists", type=Path, help="folder with unpacked real lists")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        print(json.dumps(build(wanted.lists, wanted.names)))
        return
    rows = []
    real = 0
    if wanted.lists:
        row = in_child(wanted.lists, 0)
        real = int(row["names"])
        rows.append(("real lists", row))
    if wanted.names > real:
        what = "real + generated" if real else "generated"
        rows.append((what, in_child(wanted.lists, wanted.names - real)))
    print("| | names | lines | peak RSS | CPU a name | wall a name | trie | in all | sets | miss | hit |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for what, row in rows:
        count = row["names"]
        print(
            f"| {what} | {count:,.0f} | {row['lines']:,.0f} | {row['peak_mb']:.0f} MB "
            f"| {row['cpu_s'] / count * 1e6:.1f} us | {row['wall_s'] / count * 1e6:.1f} us "
            f"| {row['trie'] / count:.2f} B | {(row['trie'] + row['array'] + row['meta']) / count:.2f} B "
            f"| {row['sets']:,.0f} | {row['miss_us']:.2f} us | {row['hit_us']:.2f} us |"
        )


if __name__ == "__main__":
    main()
