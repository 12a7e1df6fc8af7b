"""The report: Markdown for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from server.commands.bench.environment import Facts
from server.commands.bench.plan import Plan
from server.commands.bench.results import Figure
from server.commands.bench.targets import GOALS, Verdict, kinds_of

HEADINGS = {
    "single": "One picture after another",
    "crowd": "Unlike tasks at once",
    "equal": "Equal tasks at once",
    "curve": "Batches",
    "pieces": "Parts of the work",
    "swap": "Another model",
    "idle": "Idle time",
    "cold": "Start",
    "service": "The service, one request after another",
    "upscaled": "The service, super-resolution",
    "lanes": "Several GPUs",
}
WEIGHTS = {
    "toy": "toy models, a thousandth of the real size: the run shows that all works, and no number means anything",
    "random": "nets of full size with weights of chance; speed does not depend on what they have learnt, power may",
    "installed": "an installed model",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured, by what plan, under what circumstances, on which command."""

    plan: Plan
    facts: Facts
    figures: Sequence[Figure]
    command: str
    date: str

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of the device, as far as goals go."""
        if self.plan.weights == "toy":
            return ()
        return kinds_of(str(self.facts.get("name", "")), str(self.facts.get("capability", "")))

    def verdict(self, figure: Figure) -> Verdict:
        goal = GOALS.get(figure.name)
        return "" if goal is None else goal.verdict(figure, self.kinds)

    def write(self, folder: Path, plots: Sequence[str]) -> None:
        (folder / "report.md").write_text(self._markdown(plots), encoding="utf-8")
        told = {
            "date": self.date,
            "command": self.command,
            "plan": self.plan.model_dump(mode="json"),
            "environment": self.facts,
            "figures": [figure.model_dump() | {"verdict": self.verdict(figure)} for figure in self.figures],
        }
        (folder / "report.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def _markdown(self, plots: Sequence[str]) -> str:
        lines = ["# What this machine paints", "", f"{self.date} · `{self.command}` · {WEIGHTS[self.plan.weights]}", ""]
        lines += [*self._goals(), *self._circumstances()]
        parts = list(dict.fromkeys(_part(figure) for figure in self.figures))
        for part in sorted(parts, key=lambda part: list(HEADINGS).index(part) if part in HEADINGS else len(HEADINGS)):
            chosen = [figure for figure in self.figures if _part(figure) == part]
            lines += [f"## {HEADINGS.get(part, part)}", "", *_table(chosen), ""]
            lines += [line for plot in plots if plot.startswith(f"{part}.") for line in (f"![{part}]({plot})", "")]
        return "\n".join(lines)

    def _goals(self) -> list[str]:
        rows = ["## Goals", "", "| | measured | goal | |", "|---|---|---|---|"]
        for figure in self.figures:
            if figure.name in GOALS:
                kind = self.kinds[0] if self.kinds else ""
                goal = GOALS[figure.name].shown(next((k for k in self.kinds if k in GOALS[figure.name].bounds), kind))
                rows.append(f"| {figure.title} | {shown(figure)} | {goal} {figure.unit} | {self.verdict(figure)} |")
        return [*rows, ""]

    def _circumstances(self) -> list[str]:
        said = [f"| {name} | {value} |" for name, value in self.facts.items() if value not in ("", None)]
        often = (
            f"Each side of a comparison: {self.plan.warm_ups} goes to warm up, then two blocks of {self.plan.repeats}, "
            "in turns with the other side; fewer where the table says so. `n` is how often was measured. A ratio is "
            "refused if the two blocks of the baseline differ by more than 3 %: leave the machine to itself, and "
            "run it again."
        )
        return ["## Circumstances", "", often, "", "| | |", "|---|---|", *said, ""]


def _part(figure: Figure) -> str:
    return figure.name.partition(".")[0]


def _table(figures: Sequence[Figure]) -> list[str]:
    rows = ["| | median | p95 | unit | n |", "|---|---|---|---|---|"]
    for figure in figures:
        p95 = "" if figure.p95 is None else number(figure.p95)
        note = f" – {figure.note}" if figure.note else ""
        value = "" if figure.value is None else number(figure.value)
        rows.append(f"| {figure.title}{note} | {value} | {p95} | {figure.unit} | {len(figure.samples) or ''} |")
    return rows


def shown(figure: Figure) -> str:
    return figure.note if figure.value is None else f"{number(figure.value)} {figure.unit}".strip()


def number(value: float) -> str:
    """Three digits that matter, and never fewer than there are before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
