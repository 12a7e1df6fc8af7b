"""What the hosted service that Hua replaces says about its speed, beside the figures of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from server.commands.bench.plan import Plan
from server.commands.bench.results import Figure, format_number

FOUR = 4
"""Lanes of its dedicated server: one RTX 5000 each."""
PER_CARD, FOUR_LANES = "throughput.card", "throughput.four"


@dataclass(frozen=True, slots=True)
class Published:
    """One statement about the hosted service."""

    title: str
    text: str
    """Its figure, with its unit."""
    figures: Mapping[str, float]
    """The figures of Hua that compare with it, the best comparison first, and what converts each to its unit."""


MILLISECONDS = 0.001
PUBLISHED = (
    Published(
        "one image of 512×512, a lane of an RTX 5000, without the network",
        "4–6 s",
        {"service.whole": MILLISECONDS, "single.sd1.hua": 1, "single.sdxl.hua": 1},
    ),
    Published(
        "one image of 512×512, by calls, without queue and network",
        "6–8 s",
        {"service.whole": MILLISECONDS, "single.sd1.hua": 1, "single.sdxl.hua": 1},
    ),
    Published(
        "super-resolution of 512×512, without queue and network",
        "3–6 s",
        {"upscaled.whole": MILLISECONDS, "pieces.upscale": MILLISECONDS},
    ),
    Published("images of 512×512 a minute, a card", "10–15 (60 s / 4–6 s)", {PER_CARD: 1}),
    Published("images of 512×512 a minute, four lanes", "40–60 (4 × 60 s / 4–6 s)", {FOUR_LANES: 1}),
)


def images_per_minute(plan: Plan, figures: Sequence[Figure]) -> Iterator[Figure]:
    """Images a minute of one card, and of four lanes: measured if this machine has four, otherwise computed."""
    values = {figure.name: figure.value for figure in figures if figure.value is not None}
    size, unit = "images of {}×{}, {} steps".format(*plan.size(512, 512, 20)), "images/min"
    if "lanes.one" in values:
        card, note = values["lanes.one"], "one lane"
    elif "equal.images" in values:
        card, note = 60 * values["equal.images"], f"{plan.crowd} at once"
    else:
        return
    yield Figure(name=PER_CARD, title=f"{size}: one card", unit=unit, value=card, note=note)
    if plan.lanes == FOUR and "lanes.all" in values:
        four, note = values["lanes.all"], "measured"
    else:
        four, note = FOUR * card, "computed: four times one card, which needs as many cards"
    yield Figure(name=FOUR_LANES, title=f"{size}: four lanes", unit=unit, value=four, note=note)


def comparison(figures: Sequence[Figure]) -> list[str]:
    """A Markdown table: the hosted service's figures, and Hua's beside them."""
    measured = {figure.name: figure for figure in figures if figure.value is not None}
    rows = ["| | hosted service | Hua, this machine | measured as |", "|---|---|---|---|"]
    for each in PUBLISHED:
        unit = " s" if each.text.endswith(" s") else ""
        name = next((name for name in each.figures if name in measured), None)
        if name is None:
            rows.append(f"| {each.title} | {each.text} | not measured | |")
            continue
        figure = measured[name]
        value = (figure.value or 0.0) * each.figures[name]
        how = figure.title + (f" ({figure.note})" if figure.note else "")
        rows.append(f"| {each.title} | {each.text} | {format_number(value)}{unit} | {how} |")
    return rows
