"""The behaviour matrix as one HTML file that stands alone: no network, no other file."""

from collections.abc import Iterator
from datetime import UTC, datetime

from benchmarks.report import behaviours_drawing, behaviours_words, figures
from benchmarks.report.behaviours import IMPOSSIBLE, NOT_YET, Report, minutes
from benchmarks.report.document import HERE, environment, fingerprint
from benchmarks.report.looks import looks

ODD = ("unsupported", "unavailable", "failed", NOT_YET, IMPOSSIBLE)


def page(report: Report, now: datetime | None = None) -> str:
    """The whole page."""
    style = "".join((HERE / name).read_text("utf-8") for name in ("report.css", "behaviours.css"))
    script = (HERE / "behaviours.js").read_text("utf-8")
    return (
        environment()
        .get_template("behaviours.jinja")
        .render(
            report=report,
            made=(now or datetime.now(UTC)).isoformat(timespec="seconds"),
            looks=looks(_cells(report)),
            facts=list(_facts(report)),
            odd=ODD,
            minutes=minutes,
            drawing=behaviours_drawing,
            words=behaviours_words,
            f=figures,
            style=style,
            script=script,
            hashes={"style": fingerprint(style), "script": fingerprint(script)},
        )
    )


def _cells(report: Report) -> list[dict[str, str]]:
    """For their looks: which are the same as in the other report where the same transports are in it."""
    names = {cell.subject for panel in report.panels for cell in panel.cells}
    return [dict(zip(("transport", "variant"), (*name.split(":"), ""), strict=False)) for name in sorted(names)]


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    """What was used, each value with how many observations had it where they differ."""
    found: dict[str, dict[str, int]] = {}
    for seen in report.seen:
        for name, version in seen.versions.items():
            held = found.setdefault(name, {})
            held[version] = held.get(version, 0) + 1
    for name, held in found.items():
        several = len(held) > 1
        yield name, "; ".join(f"{version}{f' ({n} observations)' if several else ''}" for version, n in held.items())
