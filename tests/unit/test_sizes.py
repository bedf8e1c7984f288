"""Adapters are small: whoever wants to know how a transport works reads both halves in a few minutes."""

from pathlib import Path

import pytest

import transports

MOST, WIDEST = 80, 125
FOLDERS = sorted(path.parent for path in Path(transports.__path__[0]).glob("*/__init__.py"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_both_halves_of_a_transport_are_short_together(folder: Path) -> None:
    halves = {half: len((folder / half).read_text().splitlines()) for half in ("__init__.py", "client.js")}
    assert sum(halves.values()) <= MOST, halves


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_they_are_not_short_by_being_wide(folder: Path) -> None:
    for half in ("__init__.py", "client.js"):
        assert max(map(len, (folder / half).read_text().splitlines())) <= WIDEST
