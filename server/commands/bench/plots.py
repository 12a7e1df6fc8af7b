"""The plots of a report: times, variation, and the gain of batches."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from server.commands.bench.results import Figure
from server.settings import SettingsError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"bare": "#9aa0a6", "compiled": "#f2a33a", "hua": "#2f6fdb"}


def need_matplotlib() -> None:
    """Checks for matplotlib before anything is measured; raises SettingsError."""
    if importlib.util.find_spec("matplotlib") is None:
        raise SettingsError(
            "matplotlib, which draws the report's plots, is not installed; install hua[device,bench], or use --no-plots"
        )


def draw(figures: Sequence[Figure], folder: Path) -> list[str]:
    """Writes a PNG into `folder` for each plot that has figures; returns their names, which begin with the part."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names = []
    plots: dict[str, Callable[[Axes, Sequence[Figure]], bool]] = {
        "single.times.png": _times,
        "single.steady.png": _steady,
        "crowd.times.png": _crowd,
        "curve.images.png": _curve,
        "service.stages.png": _stages,
        "lanes.images.png": _lanes,
    }
    for name, plot in plots.items():
        figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
        if plot(axes, figures):
            figure.savefig(folder / name, dpi=110)
            names.append(name)
        plt.close(figure)
    return names


def _sides(figures: Sequence[Figure], part: str) -> Iterator[tuple[str, Figure]]:
    """The figures of each side of a part."""
    for figure in figures:
        first, _, side = figure.name.rpartition(".")
        if first.partition(".")[0] == part and side in COLOURS and figure.samples:
            yield side, figure


def _bars(axes: Axes, sides: Sequence[tuple[str, Figure]], unit: str) -> bool:
    for index, (side, figure) in enumerate(reversed(sides)):
        value, p95 = figure.value or 0.0, figure.p95 or 0.0
        axes.barh(index, value, height=0.6, color=COLOURS[side], xerr=[[0], [max(p95 - value, 0)]], capsize=3)
        axes.annotate(f" {value:.3g}", (max(p95, value), index), va="center")
    axes.set_yticks(range(len(sides)), [figure.title for _, figure in reversed(sides)])
    axes.set(xlabel=unit)
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    return bool(sides)


def _times(axes: Axes, figures: Sequence[Figure]) -> bool:
    axes.set_title("one image: median and p95")
    return _bars(axes, list(_sides(figures, "single")), "seconds; lower is better")


def _crowd(axes: Axes, figures: Sequence[Figure]) -> bool:
    axes.set_title("many tasks at once, until the last image")
    return _bars(axes, list(_sides(figures, "crowd")), "seconds; lower is better")


def _steady(axes: Axes, figures: Sequence[Figure]) -> bool:
    """All samples in order; this shows a machine that warms up or is disturbed."""
    from matplotlib.ticker import MaxNLocator

    first = [(side, figure) for side, figure in _sides(figures, "single")]
    titles = [figure.title.rpartition(":")[0] for _, figure in first]
    chosen = [(side, figure) for (side, figure), title in zip(first, titles, strict=True) if title == titles[0]]
    for side, figure in chosen:
        axes.plot(range(1, len(figure.samples) + 1), figure.samples, marker=".", label=side, color=COLOURS[side])
    axes.set(
        title=titles[0] if titles else "",
        xlabel="in order of measurement; the line separates the blocks",
        ylabel="seconds",
    )
    if chosen:
        axes.set_ylim(0, 1.1 * max(max(figure.samples) for _, figure in chosen))
        axes.axvline(len(chosen[0][1].samples) / 2 + 0.5, color="#cccccc", linestyle=":")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
    return bool(chosen)


def _curve(axes: Axes, figures: Sequence[Figure]) -> bool:
    families: dict[str, list[tuple[int, float]]] = {}
    for figure in figures:
        if figure.name.startswith("curve.") and ".images." in figure.name and figure.value is not None:
            _, family, _, rows = figure.name.split(".")
            families.setdefault(family, []).append((int(rows), figure.value))
    for family, points in families.items():
        axes.plot([row for row, _ in points], [rate / points[0][1] for _, rate in points], marker="o", label=family)
    most = max((row for points in families.values() for row, _ in points), default=2)
    ticks = [2**power for power in range(1, most.bit_length()) if 2**power <= most]
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set(title="gain of batches", xlabel="rows in a step (a guided image has two)", ylabel="images/s, × one image")
    axes.set_ylim(0)
    axes.grid(alpha=0.3)
    if families:
        axes.legend()
    return bool(families)


def _stages(axes: Axes, figures: Sequence[Figure]) -> bool:
    """The time outside the engine by stage; the remainder is HTTP, log and queue."""
    named = {figure.name: figure.value or 0.0 for figure in figures}
    if "service.overhead" not in named:
        return False
    stages = {
        name.rpartition(".")[2]: value
        for name, value in named.items()
        if name.startswith("service.stage.") and not name.endswith(".run")
    }
    ends = [0.0]
    parts = [*stages.items(), ("HTTP, log, queue", max(named["service.overhead"] - sum(stages.values()), 0))]
    for _, value in parts:
        ends.append(ends[-1] + value)
    for (name, value), (begin, _) in zip(parts, pairwise(ends), strict=True):
        axes.barh(0, value, height=0.5, left=begin, label=f"{name}, {value:.1f}")
    axes.set(title="one request: time outside the engine", xlabel="milliseconds")
    axes.set_yticks([])
    axes.set_ylim(-0.6, 0.6)
    axes.legend(ncols=3, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.25))
    return True


def _lanes(axes: Axes, figures: Sequence[Figure]) -> bool:
    chosen = [figure for figure in figures if figure.name in {"lanes.one", "lanes.all"} and figure.value is not None]
    rates = [figure.value or 0 for figure in chosen]
    bars = axes.bar([figure.title for figure in chosen], rates, color=COLOURS["hua"], width=0.5)
    axes.bar_label(bars, fmt="%.3g")
    axes.set(title="one lane and all lanes", ylabel="images/min")
    axes.spines[["top", "right"]].set_visible(False)
    return bool(chosen)
