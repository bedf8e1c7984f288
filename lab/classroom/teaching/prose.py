"""Markdown of lessons, as HTML for pages and handouts."""

from functools import cache

from markdown_it import MarkdownIt


@cache
def _reader() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def html(text: str) -> str:
    """Markup that is written in it is shown as text; links lead to the web or nowhere."""
    return str(_reader().render(text))


def inline(text: str) -> str:
    """One sentence, without a paragraph around it."""
    return str(_reader().renderInline(text))
