"""The ratios of a run of `training` as a picture: one row a workload, one mark a peer, on a logarithmic axis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MARKS = "osD^vPX*"


def draw(results: list[dict[str, Any]], machine: str, path: Path) -> None:
    """Peer's time / Backpass's for each workload: right of 1 Backpass is faster. A bar marks what is to be reached."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    names = list(dict.fromkeys(row["name"] for result in results for row in result["rows"][1:]))
    names = [name for name in names if not name.startswith("Backpass")]
    figure = Figure(figsize=(9, 1.6 + 0.34 * len(results)), layout="constrained")
    axes = figure.subplots()
    for k, name in enumerate(names):
        points = [
            (row["ratio"], at)
            for at, result in enumerate(results)
            for row in result["rows"]
            if row["name"] == name and row["ratio"] > 0
        ]
        axes.plot(*zip(*points, strict=True), MARKS[k % len(MARKS)], label=name, ms=6, alpha=0.85)
    for at, result in enumerate(results):
        if result["target"]:
            axes.plot([result["target"]] * 2, [at - 0.35, at + 0.35], color="black", lw=2, solid_capstyle="butt")
    axes.axvline(1, color="grey", lw=1)
    axes.set(xscale="log", xlabel="time of the peer / time of Backpass (bars: to be reached)")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.set_yticks(range(len(results)), [result["workload"] for result in results])
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.set_title(machine, fontsize=9)
    figure.savefig(path, dpi=130)
