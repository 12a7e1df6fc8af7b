"""The report: Markdown for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from server.commands.bench import hosted_service
from server.commands.bench.environment import Facts
from server.commands.bench.plan import Plan
from server.commands.bench.results import Figure, format_number
from server.commands.bench.targets import TARGETS, Verdict, device_kinds

HEADINGS = {
    "single": "One image after another",
    "crowd": "Different tasks at once",
    "equal": "Equal tasks at once",
    "curve": "Batches",
    "pieces": "Components",
    "swap": "Change of the model",
    "idle": "Idle time",
    "cold": "Start",
    "service": "The service, one request after another",
    "upscaled": "The service, super-resolution",
    "lanes": "Several GPUs",
    "throughput": "Images a minute",
}
WEIGHTS = {
    "toy": "toy models of a thousandth of the real size; the run only checks that all works, no number means anything",
    "random": "full-size nets with random weights; speed does not depend on the weights' values, power may",
    "installed": "an installed model",
}


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a run, with its plan, environment, command and date."""

    plan: Plan
    facts: Facts
    figures: Sequence[Figure]
    command: str
    date: str

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the device in `TARGETS`; empty for toys."""
        if self.plan.weights == "toy":
            return ()
        return device_kinds(str(self.facts.get("name", "")), str(self.facts.get("capability", "")))

    def verdict(self, figure: Figure) -> Verdict:
        target = TARGETS.get(figure.name)
        return "" if target is None else target.verdict(figure, self.kinds)

    @property
    def summary(self) -> list[str]:
        """The hosted service's figures and ours, as lines of Markdown."""
        warning = ["These are toy models; no number means anything.", ""] if self.plan.weights == "toy" else []
        return [*warning, *hosted_service.comparison(self.figures)]

    def write(self, folder: Path, plots: Sequence[str]) -> None:
        (folder / "report.md").write_text(self._markdown(plots), encoding="utf-8")
        document = {
            "date": self.date,
            "command": self.command,
            "plan": self.plan.model_dump(mode="json"),
            "environment": self.facts,
            "figures": [figure.model_dump() | {"verdict": self.verdict(figure)} for figure in self.figures],
        }
        (folder / "report.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def _markdown(self, plots: Sequence[str]) -> str:
        head = ["# Speed of this machine", "", f"{self.date} · `{self.command}` · {WEIGHTS[self.plan.weights]}", ""]
        return "\n".join([*head, *self.sections(plots)])

    def sections(self, plots: Sequence[str]) -> list[str]:
        """The targets, the environment, and a section for each part, as lines of Markdown."""
        lines = [*self._targets(), "## Beside the hosted service", "", *self.summary, "", *self._environment()]
        parts = list(dict.fromkeys(_part(figure) for figure in self.figures))
        for part in sorted(parts, key=lambda part: list(HEADINGS).index(part) if part in HEADINGS else len(HEADINGS)):
            chosen = [figure for figure in self.figures if _part(figure) == part]
            lines += [f"## {HEADINGS.get(part, part)}", "", *_table(chosen), ""]
            lines += [line for plot in plots if plot.startswith(f"{part}.") for line in (f"![{part}]({plot})", "")]
        return lines

    def _targets(self) -> list[str]:
        rows = ["## Targets", "", "| | measured | target | |", "|---|---|---|---|"]
        for figure in self.figures:
            if figure.name in TARGETS:
                kind = next((each for each in self.kinds if each in TARGETS[figure.name].bounds), "")
                target = TARGETS[figure.name].text(kind or next(iter(self.kinds), ""))
                rows.append(
                    f"| {figure.title} | {format_value(figure)} | {target} {figure.unit} | {self.verdict(figure)} |"
                )
        return [*rows, ""]

    def _environment(self) -> list[str]:
        rows = [f"| {name} | {value} |" for name, value in self.facts.items() if value not in ("", None)]
        method = (
            f"Warm-ups of each side: {self.plan.warm_ups}. Then each side runs two blocks of {self.plan.repeats}, "
            "alternating with the other side; slow workloads run fewer. `n` is the number of samples. A ratio is "
            "refused if the two blocks of the baseline differ by more than 3 %: run again on an idle machine."
        )
        return ["## Environment", "", method, "", "| | |", "|---|---|", *rows, ""]


def _part(figure: Figure) -> str:
    return figure.name.partition(".")[0]


def _table(figures: Sequence[Figure]) -> list[str]:
    rows = ["| | median | p95 | unit | n |", "|---|---|---|---|---|"]
    for figure in figures:
        p95 = "" if figure.p95 is None else format_number(figure.p95)
        note = f" – {figure.note}" if figure.note else ""
        value = "" if figure.value is None else format_number(figure.value)
        rows.append(f"| {figure.title}{note} | {value} | {p95} | {figure.unit} | {len(figure.samples) or ''} |")
    return rows


def format_value(figure: Figure) -> str:
    return figure.note if figure.value is None else f"{format_number(figure.value)} {figure.unit}".strip()
