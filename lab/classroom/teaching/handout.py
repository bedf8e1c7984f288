"""A lesson on paper: questions with room for predictions, and behind them the explanation with blanks."""

from collections.abc import Callable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from lab.classroom.teaching.figure import number
from lab.classroom.teaching.lesson import EXPLAIN, PLACEHOLDER, RUN, SEEN, STORY, TRY, Lesson
from lab.classroom.teaching.prose import html
from lab.classroom.teaching.question import Question

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""A handout needs nothing but itself."""

BLANK = "\\_\\_\\_\\_\\_\\_\\_\\_\\_\\_"
STYLE = Path(__file__).with_name("handout.css")

WIDE, HIGH, LEFT, BOTTOM = 460, 190, 56, 36
"""The sheet for a sketch, and its margins."""


def handout(lesson: Lesson) -> str:
    """One HTML document that needs no other file."""
    body = "\n".join(_body(lesson))
    style = STYLE.read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(lesson.title)}: a handout</title>\n<style>\n{style}</style>\n{body}\n</html>\n"
    )


def _body(lesson: Lesson) -> Iterator[str]:
    yield f'<header><p class="of">pushlab · lesson <code>{escape(lesson.name)}</code> · {lesson.minutes} minutes</p>'
    yield f'<h1>{escape(lesson.title)}</h1><p class="who">Name <span></span> Date <span></span></p></header>'
    yield f"<section>{html(lesson.text[STORY])}</section>"
    yield "<section><h2>1 · Predict</h2><p>Before anything is measured. A guess is good enough, none is not.</p>"
    yield from map(_question, lesson.questions)
    yield f"</section><section><h2>2 · Run</h2>{html(lesson.text[RUN])}"
    yield f"<pre><code>pushlab lesson run {escape(lesson.name)}</code></pre></section>"
    yield f"<section><h2>3 · What did you see?</h2>{html(lesson.text.get(SEEN, ''))}"
    yield from map(_question, lesson.observations)
    yield f'</section><section class="second"><h2>4 · Explain</h2>{html(PLACEHOLDER.sub(BLANK, lesson.text[EXPLAIN]))}'
    yield f"</section><section><h2>5 · Try it yourself</h2>{html(lesson.text[TRY])}</section>"


def _question(question: Question) -> str:
    shown = question.shown
    room = ROOMS[question.kind](shown)
    measured = '<p class="measured">measured: <span></span></p>'
    return f'<div class="question"><p class="ask">{escape(question.ask)}</p>{room}{measured}</div>'


def _number(shown: Mapping[str, Any]) -> str:
    return f'<p class="line"><span></span> {escape(shown["unit"])}</p>'


def _choice(shown: Mapping[str, Any]) -> str:
    return '<ul class="boxes">' + "".join(f"<li>{escape(label)}</li>" for label in shown["labels"]) + "</ul>"


def _ranking(shown: Mapping[str, Any]) -> str:
    labels = sorted(shown["labels"])  # as they were written may be the right order
    items = "".join(f"<li>{escape(label)}</li>" for label in labels)
    return f'<p>Number them; 1 is {escape(shown["smallest"])}.</p><ul class="ranks">{items}</ul>'


def _curve(shown: Mapping[str, Any]) -> str:
    """An empty sheet, with lines where the points are to be."""
    xs, low, high, unit = shown["xs"], shown["low"], shown["high"], shown["unit"]
    span = (xs[-1] - xs[0]) or 1
    along = [LEFT + 16 + (WIDE - LEFT - 32) * (x - xs[0]) / span for x in xs]
    up = [(HIGH - BOTTOM) * (1 - nth / 4) + 8 for nth in range(5)]
    lines = [f'<path d="M{x:.1f} 8V{HIGH - BOTTOM + 8}"/>' for x in along]
    lines += [f'<path d="M{LEFT} {y:.1f}H{WIDE}"/>' for y in up]
    texts = [
        f'<text x="{at:.1f}" y="{HIGH - 12}" text-anchor="middle">{number(x)}</text>'
        for x, at in zip(xs, along, strict=True)
    ]
    texts += [
        f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(low + (high - low) * nth / 4)}</text>'
        for nth, y in enumerate(up)
    ]
    axes = f'<p class="axes">up: {escape(shown["y"])}, {escape(unit)} · along: {escape(shown["x"])}</p>'
    drawing = f'<svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="room for a sketch">'
    return f"{drawing}{''.join(lines + texts)}</svg>{axes}"


ROOMS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "number": _number,
    "choice": _choice,
    "ranking": _ranking,
    "curve": _curve,
}
