"""Lessons end with commands to try: these name what there is."""

import re
import shlex
from collections.abc import Iterator

import pytest
import typer
from conftest import SUBJECTS

from benchmarks import plan as plans
from benchmarks.behaviours.experiment import chosen
from lab import link as links
from lab import sources
from lab.classroom.teaching.lesson import LESSONS, TRY, read
from lab.cli import app, listed

COMMAND = re.compile(r"^\.venv/bin/pushlab (.+)$", re.MULTILINE)


def commands() -> Iterator[tuple[str, str]]:
    """Lesson, and what stands behind the name of the program."""
    for folder in sorted(path.parent for path in LESSONS.glob("*/lesson.toml")):
        yield from ((folder.name, line) for line in COMMAND.findall(read(folder, SUBJECTS).text[TRY]))


@pytest.mark.parametrize(("name", "line"), list(commands()))
def test_a_command_to_try_names_what_there_is(name: str, line: str) -> None:
    command, *arguments = shlex.split(line)
    context = typer.main.get_command(app).commands[command].make_context(command, arguments)  # type: ignore[attr-defined]
    asked = context.params
    if command == "bench":
        narrowed = plans.load(asked["plan"] or "quick").narrowed(
            transports=listed(asked["transport"]),
            engines=listed(asked["engine"]),
            scenarios=listed(asked["scenario"]),
            links=[links.parse(text).text for text in asked["link"] or ()],
        )
        assert [cell for block in narrowed.blocks for cell in block.cells(SUBJECTS)], name
    elif command == "behaviours":
        assert chosen(asked["experiment"])
        assert set(listed(asked["transport"])) <= set(SUBJECTS)
    else:
        assert command == "serve"
        assert sources.parse(asked["source"])
