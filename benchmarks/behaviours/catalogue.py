"""The table of experiments in docs/behaviours.md, made of their own texts: `-m benchmarks.behaviours.catalogue`."""

import re
from pathlib import Path

from benchmarks.behaviours.experiment import Experiment, experiments

PAGE = Path(__file__).parents[2] / "docs" / "behaviours.md"
BETWEEN = re.compile(r"(?<=<!-- experiments -->\n).*(?=<!-- /experiments -->)", re.DOTALL)


def table() -> str:
    """In Markdown. Ends with a line break."""
    head = ["| | experiment | question | cure |", "|---|---|---|---|"]
    return "\n".join([*head, *map(_row, experiments().values())]) + "\n"


def _row(one: Experiment) -> str:
    cells = [one.id, f"`{one.name}`: {one.title}", one.question, one.cure or "–"]
    if one.impossible:
        cells[2] += f" Not possible yet: {one.impossible}."
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> None:
    """Bring the page up to date."""
    PAGE.write_text(BETWEEN.sub(lambda _: table(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
