"""The table of a run, and its report: Markdown for people, JSON for programs, plots."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from benchmarks.gpu_day.plan import DayPlan
from benchmarks.gpu_day.result import PartResult
from benchmarks.gpu_day.runner import Part
from server.commands.bench import plots
from server.commands.bench.hosted_service import images_per_minute
from server.commands.bench.report import Report
from server.commands.bench.results import Figure

NOT_RUN = "not run yet"
LONGEST = 400
"""Characters of a cell; `report.json` has all."""


@dataclass(frozen=True, slots=True)
class DayReport:
    """All parts with their results, None for those that have none yet."""

    plan: DayPlan
    facts: Mapping[str, object]
    results: Sequence[tuple[Part, PartResult | None]]
    command: str
    date: str

    @property
    def table(self) -> list[str]:
        """Markdown: one row for each part."""
        lines = []
        for group, members in groupby(self.results, key=lambda each: each[0].group):
            lines += ["", f"## {group}", "", "| part | what | | | s |", "|---|---|---|---|---|"]
            lines += [_row(part, result) for part, result in members]
        return lines[1:]

    @property
    def summary(self) -> str:
        verdicts = [result.verdict if result else NOT_RUN for _, result in self.results]
        return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))

    def write(self) -> None:
        """`report.md` and `report.json` in the folder of the results, and plots if matplotlib is installed."""
        folder, figures = self.plan.results, self._figures()
        speed = Report(self.plan.bench(), dict(self.facts), figures, self.command, self.date)
        drawn = _draw(figures, self.plan)
        (folder / "report.md").write_text("\n".join([*self._head(), *self.table, "", *speed.sections(drawn)]) + "\n")
        document = {
            "date": self.date,
            "command": self.command,
            "environment": self.facts,
            "plan": self.plan.model_dump(mode="json"),
            "parts": [
                {"part": part.name, "title": part.title, "result": result and result.model_dump(mode="json")}
                for part, result in self.results
            ],
            "verdicts": {figure.name: verdict for figure in figures if (verdict := speed.verdict(figure))},
        }
        (folder / "report.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")

    def _head(self) -> list[str]:
        warning = " · toys and small images: no number means anything" if self.plan.small else ""
        device = f"{self.facts.get('name', self.plan.device)}, driver {self.facts.get('driver_version', 'none')}"
        versions = ", ".join(
            f"{name} {self.facts[name]}" for name in ("torch", "diffusers", "cuda") if name in self.facts
        )
        head = ["# A day on a GPU", "", f"{device} · {versions} · {self.date} · `{self.command}`{warning}", ""]
        return [*head, self.summary + ". Logs are in `logs/`, all numbers in `report.json`.", ""]

    def _figures(self) -> list[Figure]:
        figures = [figure for _, result in self.results if result for figure in result.figures]
        return [*figures, *images_per_minute(self.plan.bench(), figures)]


def _row(part: Part, result: PartResult | None) -> str:
    if result is None:
        return f"| {part.name} | {part.title} | {NOT_RUN} | | |"
    verdict = f"**{result.verdict}**" if result.bad else result.verdict
    found = result.reason or "; ".join(dict.fromkeys(check.found for check in result.checks if check.found))
    found = found if len(found) <= LONGEST else f"{found[:LONGEST]}…"
    return f"| {part.name} | {part.title} | {verdict} | {found.replace('|', '/')} | {result.seconds:.0f} |"


def _draw(figures: Sequence[Figure], plan: DayPlan) -> list[str]:
    """No plot is worth the loss of a report."""
    try:
        return plots.draw(figures, plan.results)
    except Exception as error:
        print(f"no plots: {type(error).__name__}: {error}")
        return []
