"""A run is kept in docs/ as it is: nothing in the README's table is written by hand."""

from pathlib import Path

import pytest
from made_up_runs import Made, awkward, made

from benchmarks.behaviours.experiment import Observation
from benchmarks.behaviours.store import Seen, Spot, write
from benchmarks.kept import keep, keep_behaviours, table
from benchmarks.outcome import Outcome
from benchmarks.report.views import views
from lab.errors import UserError

README = "# lab\n\n<!-- results -->\nold\n<!-- /results -->\n\nRead it like this.\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In which a run is kept."""
    root = bare(tmp_path_factory.mktemp("root"))
    keep(outcome(made()), root)
    return root


def bare(root: Path) -> Path:
    (root / "README.md").write_text(README, encoding="utf-8")
    (root / "docs" / "full").mkdir(parents=True)
    return root


def outcome(of: Made) -> Outcome:
    return Outcome(Path("results/some"), *of.arguments)


def test_the_readme_has_the_table_and_keeps_the_rest(root: Path) -> None:
    page = (root / "README.md").read_text(encoding="utf-8")
    assert page.startswith("# lab\n\n<!-- results -->\n| transport | p50, ms |")
    assert page.endswith("\n<!-- /results -->\n\nRead it like this.\n")
    assert "old" not in page
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == ["sse", "websocket", "long_polling", "xhr_streaming"]
    assert "◆ baseline" in rows[0]
    assert "▲ slower" in rows[-1]
    assert "6 rounds, plan `made up`, seed 7" in page
    assert "23 November 2026" in page


def test_report_and_chart_lie_beside_it(root: Path) -> None:
    assert "pushlab" in (root / "docs/full/report.html").read_text(encoding="utf-8")
    assert (root / "docs/full/latency.svg").read_text(encoding="utf-8").startswith("<svg")


def test_what_costs_were_measured_stand_beside_the_latency() -> None:
    head, _, *rows = table(views(awkward().summary)).splitlines()
    assert "server cpu, µs/delivery | server memory, KiB/reader | page memory, KiB" in head
    assert [row.split("`")[1] for row in rows] == ["websocket", "sse", "long_polling", "xhr_streaming", "short_polling"]
    assert rows[0].endswith("| 6.00 | 6.00 | 6.00 |")
    assert rows[-1].endswith("| – | – | – |")


def test_what_ranks_nothing_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"results/some ranks nothing: that takes 5 rounds"):
        keep(outcome(made(rounds=1)), bare(tmp_path))
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == README
    assert not list((tmp_path / "docs/full").iterdir())


def test_behaviours_are_kept_too(tmp_path: Path) -> None:
    spot = Spot("headers", "sse", "chromium", cured=False)
    write(
        tmp_path / "observed",
        Seen(spot, "observed", observation=Observation(bitten=True, says="it had no place for a header")),
    )
    (tmp_path / "docs" / "behaviours").mkdir(parents=True)
    keep_behaviours(tmp_path / "observed", tmp_path)
    assert "it had no place for a header" in (tmp_path / "docs/behaviours/report.html").read_text(encoding="utf-8")


def test_a_folder_that_holds_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds neither a run nor observations"):
        keep_behaviours(tmp_path, tmp_path)
