"""The result table: what a model scores on rows it never saw, beside what a predictor that learned nothing scores."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from backpass.data.table import number_text
from backpass.train.metrics import METRICS

WIDTH = 80
PERCENT = ("accuracy", "balanced accuracy")


@dataclass(frozen=True)
class Results:
    """Scores by metric name of a model and of the baseline, over the same `rows` rows.

    >>> model, base = {"accuracy": 0.975, "log loss": 0.08}, {"accuracy": 0.35, "log loss": 1.08}
    >>> print(Results(model, base, "always 'cat'", 40).text())
    Held-out test set, 40 rows
    <BLANKLINE>
                model   always 'cat'
    accuracy   97.5 %         35.0 %   better
    log loss   0.0800          1.080   better   (lower is better)
    """

    model: Mapping[str, float]
    baseline: Mapping[str, float]
    baseline_name: str
    rows: int
    unit: str = ""
    title: str = "Held-out test set"

    def lines(self) -> list[tuple[str, str, str, str, str]]:
        """One row a metric: its name, both scores, whether the model is better, and what to know when reading it."""
        found = []
        for name, score in self.model.items():
            other = self.baseline.get(name, math.nan)
            metric = METRICS.get(name)
            unit = self.unit if metric and metric.has_unit else ""
            verdict, note = "", ""
            if metric is not None:
                note = "" if metric.more_is_better else "(lower is better)"
                gain = score - other if metric.more_is_better else other - score
                verdict = "" if math.isnan(gain) else "better" if gain > 0 else "equal" if gain == 0 else "worse"
            found.append((name, shown(name, score, unit), shown(name, other, unit), verdict, note))
        return found

    def text(self) -> str:
        """The table as plain text of at most 80 columns, for files and pipes."""
        lines = self.lines()
        baseline_name = self._short_baseline(lines)
        names = max(len(line[0]) for line in lines)
        first = max(len("model"), *(len(line[1]) for line in lines))
        second = max(len(baseline_name), *(len(line[2]) for line in lines))
        verdicts = max(len(line[3]) for line in lines)
        out = [self._heading(), "", f"{'':{names}}   {'model':>{first}}   {baseline_name:>{second}}"]
        out += [
            f"{name:{names}}   {model:>{first}}   {base:>{second}}   {verdict:{verdicts}}   {note}".rstrip()
            for name, model, base, verdict, note in lines
        ]
        return "\n".join(out)

    def table(self) -> Any:
        """The table as a rich renderable."""
        from rich.table import Table
        from rich.text import Text

        lines = self.lines()
        table = Table(title=Text(self._heading()), title_justify="left", title_style="bold")
        table.add_column("")
        table.add_column("model", justify="right", style="bold")
        table.add_column(Text(self._short_baseline(lines)), justify="right", style="dim")
        table.add_column("")
        colours = {"better": "green", "worse": "red"}
        for name, model, base, verdict, note in lines:
            told = Text(verdict, style=colours.get(verdict, ""))
            told.append(f" {note}" if note else "", style="dim")
            table.add_row(Text(name), Text(model), Text(base), told)
        return table

    def show(self, file: TextIO | None = None) -> None:
        """Write the table to a file (standard output by default): in colour on a terminal, as plain text elsewhere."""
        out: TextIO = sys.stdout if file is None else file
        if not out.isatty():
            out.write(self.text() + "\n")
            return
        from rich.console import Console

        console = Console(file=out)
        console.width = min(console.width, WIDTH)
        console.print(self.table())

    def _heading(self) -> str:
        return f"{self.title}, {self.rows} row{'s' * (self.rows != 1)}"

    def _short_baseline(self, lines: list[tuple[str, str, str, str, str]]) -> str:
        """The baseline's name, cut so that the widest line stays within 80 columns."""
        room = WIDTH - 12 - sum(max(len(line[place]) for line in lines) for place in (0, 1, 3, 4))
        name = " ".join(self.baseline_name.split())
        return name if len(name) <= room else name[: room - 1] + "…"


def shown(metric: str, value: float, unit: str = "") -> str:
    """A score as people write it: shares in percent, the rest in four figures, the target's unit behind.

    >>> shown("accuracy", 0.9753), shown("log loss", 0.05), shown("MAE", 1234567.0, "$"), shown("ROC AUC", float("nan"))
    ('97.5 %', '0.0500', '1234567 $', 'undefined')
    """
    if math.isnan(value):
        return "undefined"
    if metric in PERCENT:
        return f"{100 * value:.1f} %"
    size = abs(value)
    if size >= 1000 or not math.isfinite(value):
        text = number_text(round(value)) if size < 1e9 else f"{value:.4g}"
    else:
        text = f"{value:.4f}" if size < 1 else f"{value:.{4 - len(str(int(size)))}f}"
    return f"{text} {unit}" if unit else text
