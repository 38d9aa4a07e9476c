"""Draws CPU per answered query of every server at every size. Without matplotlib there is no picture, and no error."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from lib.sections import Sample

_PANELS = (("hits", "warm, saturated"), ("fixed", "warm, 20,000 queries/s"), ("miss", "every query a miss"))

_COLOURS = {
    "filterd": "tab:blue", "filterd-fresh": "tab:cyan", "filterd-compiled": "navy",
    "unbound": "tab:orange", "unbound-rpz": "tab:brown",
    "dnsdist": "tab:green", "dnsmasq": "tab:purple", "dnsmasq-150": "tab:pink",
}  # fmt: skip


def draw(samples: list[Sample], path: Path) -> Path | None:
    """Three panels of bars on a logarithmic scale, written as PNG; None where it cannot be drawn."""
    try:
        import matplotlib as mpl
    except ImportError:
        print("without a plot: matplotlib is not installed")
        return None
    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(_PANELS), figsize=(15, 5), sharey=True, layout="constrained")
    for axis, (section, title) in zip(axes, _PANELS, strict=True):
        _panel(axis, [s for s in samples if s.section == section and s.names == s.phase])
        axis.set_title(title)
    axes[0].set_ylabel("server CPU per answered query, us (median; log)")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path


def _panel(axis: Any, samples: list[Sample]) -> None:  # matplotlib, and so its types, may be missing
    servers = list(dict.fromkeys(s.server for s in samples))
    sizes = sorted({s.names for s in samples})
    width = 0.8 / max(1, len(servers))
    for at, server in enumerate(servers):
        places, heights = [], []
        for slot, names in enumerate(sizes):
            costs = [s.values["cpu_us"] for s in samples if s.server == server and s.names == names]
            if costs:
                places.append(slot + (at - (len(servers) - 1) / 2) * width)
                heights.append(statistics.median(costs))
        bars = axis.bar(places, heights, width, label=server, color=_COLOURS.get(server, "tab:gray"))
        axis.bar_label(bars, fmt="%.3g", fontsize=7)
    axis.set_yscale("log")
    axis.set_xticks(range(len(sizes)), [f"{names / 1e6:g}M names" for names in sizes])
    axis.legend(fontsize=8)
