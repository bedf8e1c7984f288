"""What is made of a run, at any time again: its summary, its reports, and a table for the terminal."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rich.table import Table

from benchmarks.report import charts, markdown, web
from benchmarks.runs import Run, Trial, read_trials, write_whole
from benchmarks.summary import as_csv, summarize

Row = Mapping[str, Any]

COSTS = {
    "server_cpu_us_per_delivery": "server CPU, µs per delivery",
    "server_kib_per_reader": "server memory, KiB per reader",
    "renderer_kib": "page's memory, KiB more",
    "peak_connects_per_s": "peak, connects per s",
    "back_ms": "95 % back, ms",
    "tries_per_reader": "tries per reader",
}

CONDITIONS = ("engine", "scenario", "link")

FEW = 3
"""So many cells are named, more are counted."""


@dataclass(frozen=True)
class Outcome:
    """A run as it was read back; `complaints` are sentences about files that could not be read."""

    folder: Path
    run: Run
    trials: Sequence[Trial]
    summary: Mapping[str, Any]
    complaints: Sequence[str]

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Raises:
        UserError: the folder holds no run that this pushlab can read.
        """
        run = Run.load(folder)
        trials, complaints = read_trials(folder)
        return cls(folder, run, trials, summarize(run, trials, complaints), complaints)

    @property
    def failed(self) -> bool:
        return any(row["state"] == "failed" for row in self.summary["cells"])

    def write(self) -> Path:
        """Write summary and reports, each whole or not at all; returns the web page, which comes last."""
        made = self.run, self.trials, self.summary, self.complaints
        summary = json.dumps(self.summary, indent=1, ensure_ascii=False) + "\n"
        write_whole(self.folder / "summary.json", summary)
        write_whole(self.folder / "summary.csv", as_csv(self.summary))
        write_whole(self.folder / "report.md", markdown.text(*made))
        write_whole(self.folder / "report.html", web.page(*made))
        return self.folder / "report.html"

    def write_charts(self, folder: Path) -> None:
        """Each chart as SVG and PNG."""
        folder.mkdir(parents=True, exist_ok=True)
        charts.write(charts.charts(self.run, self.trials, self.summary), folder)

    def latencies(self) -> Table | None:
        """The cells that were measured, those that compare side by side, the quickest first."""
        rows = sorted(self._measured(), key=_place)
        if not rows:
            return None
        table, unlike = _table("latency in ms, from when an event was due", rows)
        for heading in ("p50", "95 % interval", "p90", "lost", "trials"):
            table.add_column(heading, justify="right", overflow="fold")
        for row in rows:
            latency = row["latency_ms"]
            table.add_row(
                _subject(row),
                *(row[one] for one in unlike),
                _number(latency["p50"], "value"),
                _range(latency["p50"]),
                _number(latency["p90"], "value"),
                str(len(row["events"]["lost"])),
                str(row["trials"]),
            )
        return table

    def costs(self) -> Table | None:
        """What the transports cost, where that was measured."""
        rows = [row for row in self.summary["cells"] if COSTS.keys() & row.keys()]
        if not rows:
            return None
        shown = [key for key in COSTS if any(row.get(key) for row in rows)]
        table, unlike = _table("cost", rows)
        for heading in (COSTS[key] for key in shown):
            table.add_column(heading, justify="right", overflow="fold")
        for row in sorted(rows, key=lambda row: (row["scenario"], row["link"], _subject(row))):
            numbers = (_number(row.get(key), "value") for key in shown)
            table.add_row(_subject(row), *(row[one] for one in unlike), *numbers)
        return table

    def unmeasured(self) -> Iterator[str]:
        """A sentence for each reason why cells were not measured."""
        cells: dict[str, list[str]] = {}
        for row in self.summary["cells"]:
            if row["state"] != "measured":
                name = f"{_subject(row)} in {row['engine']}, {row['scenario']}, {row['link']}"
                cells.setdefault(f"{row['state']}, because {row['reason']}", []).append(name)
        for why, names in cells.items():
            yield f"{'; '.join(names) if len(names) <= FEW else f'{len(names)} cells'}: {why}"

    def _measured(self) -> list[Row]:
        return [row for row in self.summary["cells"] if "latency_ms" in row]


def _table(title: str, rows: Sequence[Row]) -> tuple[Table, Sequence[str]]:
    """A table with columns for the transport and the conditions that differ, and these; its title has the others."""
    unlike = [one for one in CONDITIONS if len({row[one] for row in rows}) > 1]
    shared = [row[one] for row in rows[:1] for one in CONDITIONS if one not in unlike]
    told = [title, *([", ".join(shared)] if shared else [])]
    table = Table(title="\n".join(told), title_justify="left", box=None, pad_edge=False)
    for heading in ("transport", *unlike):
        table.add_column(heading, overflow="fold")
    return table, unlike


def _place(row: Row) -> tuple[str, str, str, float]:
    p50 = row["latency_ms"]["p50"]
    return row["scenario"], row["engine"], row["link"], p50["value"] if p50 else float("inf")


def _subject(row: Row) -> str:
    return f"{row['transport']}:{row['variant']}" if row["variant"] else str(row["transport"])


def _range(interval: Row | None) -> str:
    known = interval and interval["low"] is not None
    return f"{_number(interval, 'low')} – {_number(interval, 'high')}" if known else "–"


def _number(interval: Row | None, key: str) -> str:
    """Three digits; a dash for what the sample can't support."""
    value = interval[key] if interval else None
    return "–" if value is None else f"{value:.3g}" if value < 1000 else f"{value:.0f}"
