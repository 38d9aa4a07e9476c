"""Owns what is said: a line while it runs, the table of figures, the Markdown report. It measures nothing."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

from lib import figures, load, mix, pin, plot
from lib.sections import RATE, Sample

_CPU_SECTIONS = {
    "hits": "Warm answers (83 % allowed, 17 % blocked names), saturated from one address",
    "hits-allowed": "Warm answers, allowed names only, saturated from one address",
    "hits-blocked": "Blocked names only, saturated from one address",
    "hits-types": "Warm answers, every name asked for A, AAAA and HTTPS by turns, saturated from one address",
    "fixed": f"Warm answers at {RATE:,} queries/s over {mix.CLASSES} class addresses",
    "miss": "Every query a miss (random domains), saturated from one address",
    "below": "Every query a miss (random names below one domain), saturated from one address",
    "miss-fixed": f"Every query a miss at {RATE:,} queries/s over {mix.CLASSES} class addresses",
}


def line(sample: Sample) -> str:
    """One sample for the terminal."""
    values = " ".join(f"{key}={value:,.5g}" for key, value in sample.values.items())
    head = f"{sample.section:<12} {sample.server:<13} {sample.names:>9,} #{sample.round}"
    return f"{head}  {values} {sample.note}".rstrip()


def summary(samples: list[Sample]) -> str:
    """CPU tables and the table of figures, for the terminal and for the report."""
    parts = ["### Figures to reach\n\n" + _figures(samples)]
    parts += [
        f"### {title}\n\n{_cpu(samples, section)}"
        for section, title in _CPU_SECTIONS.items()
        if any(s.section == section for s in samples)
    ]
    parts += [f"### {title}\n\n{table}" for title, table in _others(samples) if table]
    return "\n\n".join(parts)


def write(samples: list[Sample], folder: Path, *, quick: bool, settings: dict[str, str]) -> Path:
    """Write <date>.md, .json and .png (a quick run: <date>-quick) and say where."""
    folder.mkdir(parents=True, exist_ok=True)
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    stem = today + ("-quick" if quick else "")
    picture = plot.draw(samples, folder / f"{stem}.png")
    image = f"![CPU per answered query]({picture.name})\n\n" if picture else ""
    kind = "quick run: one short round, for a first look only" if quick else "full run"
    head = f"# Benchmark of {today} ({kind})\n\n{_table(('setting', 'value'), list(settings.items()))}\n\n{image}"
    (folder / f"{stem}.json").write_text(json.dumps([dataclasses.asdict(s) for s in samples]) + "\n")
    path = folder / f"{stem}.md"
    path.write_text(head + summary(samples) + "\n")
    return path


def machine() -> dict[str, str]:
    """What the figures depend on besides the code."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "machine": f"{pin.cpu_model()}, {os.cpu_count()} CPUs, {memory:.0f} GB",
        "kernel": platform.release(),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "CPUs": f"servers on {pin.SERVER_CPU}, load and upstream on {pin.LOAD_CPU}",
        "load average at the start": f"{os.getloadavg()[0]:.2f} (above 0.5: something else was running)",
        "seed": str(mix.SEED),
        "mix": f"{mix.MIX_NAMES:,} names, Zipf exponent {mix.ZIPF_EXPONENT:g}, {mix.BLOCKED_SHARE:.0%} blocked, "
        + ", ".join(f"{kind} {mix.TYPES.count(kind) / len(mix.TYPES):.0%}" for kind in dict.fromkeys(mix.TYPES)),
        "load": f"dnsperf, {load.OUTSTANDING} outstanding, or {RATE:,}/s from {mix.CLASSES} addresses",
    }


def _figures(samples: list[Sample]) -> str:
    words = {True: "met", False: "NOT met", None: "-"}
    rows = [(f.what, f.target, f.measured, f.ratios, words[f.met]) for f in figures.figures(samples)]
    return _table(("figure", "target", "measured", "ratio: median (rounds)", "met"), rows)


def _cpu(samples: list[Sample], section: str) -> str:
    """Rows: server and size; CPU median and spread, rate, lost; ratio to unbound at the same size."""
    rows = []
    for server, names, phase in dict.fromkeys((s.server, s.names, s.phase) for s in samples if s.section == section):
        found = figures.of(samples, section, server, names, phase)
        costs = [s.values["cpu_us"] for s in found]
        ratios = figures.round_ratios(found, figures.of(samples, section, "unbound", phase))
        size = f"{names:,}" if names == phase else f"{names:,} (beside {phase:,})"
        rows.append(
            (
                server,
                size,
                f"{statistics.median(costs):.1f}",
                f"{min(costs):.1f} to {max(costs):.1f}",
                f"{statistics.median(ratios):.2f}" if ratios else "-",
                f"{statistics.median(s.values['rate'] for s in found):,.0f}",
                f"{sum(s.values['lost'] for s in found):,.0f}",
                f"{sum(s.values['failed'] for s in found):,.0f}",
            )
        )
    titles = ("server", "names", "CPU us/query", "rounds", "of unbound's", "answers/s", "lost", "failed")
    return _table(titles, rows)


def _others(samples: list[Sample]) -> list[tuple[str, str]]:
    return [
        ("Time from start to first answer", _starts(samples)),
        ("Memory after 200,000 distinct names", _memory(samples)),
        (f"New table under {RATE:,} queries/s", _swaps(samples)),
        ("Size of the table", _sizes(samples)),
    ]


def _starts(samples: list[Sample]) -> str:
    rows = [(s.server, f"{s.names:,}", f"{s.values['seconds']:.2f}", s.note) for s in samples if s.section == "start"]
    return _table(("server", "names", "seconds", "what it was spent on"), rows)


def _memory(samples: list[Sample]) -> str:
    rows = [
        (s.server, f"{s.names:,}", s.note, *(f"{s.values[key] / 1e6:.1f}" for key in ("private", "dirty", "resident")))
        for s in samples
        if s.section == "memory"
    ]
    return _table(("server", "names", "process", "private MB", "of it dirty", "resident MB"), rows)


def _swaps(samples: list[Sample]) -> str:
    rows = [
        (
            s.server,
            f"{s.values['swaps']:.0f} x {s.note}" if s.section == "swap" else "none",
            f"{s.values['sent']:,.0f}",
            f"{s.values['lost']:,.0f}",
            f"{s.values['p50_ms']:.2f}",
            f"{s.values['p99_ms']:.2f}",
            f"{s.values['max_ms']:.1f}",
        )
        for s in samples
        if s.section in {"calm", "swap"}
    ]
    return _table(("server", "swaps", "sent", "lost", "p50 ms", "p99 ms", "longest ms"), rows)


def _sizes(samples: list[Sample]) -> str:
    rows = [(s.note, f"{s.names:,}", f"{s.values['bytes_per_name']:.2f}") for s in samples if s.section == "table"]
    return _table(("what", "names", "bytes a name"), rows)


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
