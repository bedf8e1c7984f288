"""Bulk: the memory is that of the page's own process, and 20 MB arrive."""

from typing import Any

import pytest
from conftest import SUBJECTS, Engines

from benchmarks import bulk
from benchmarks.bare import bare_page
from lab import cost
from lab.errors import UserError
from lab.process import server_process


async def test_the_process_found_is_the_pages_own(engines: Engines) -> None:
    engine: Any = await engines.get("chromium")
    async with bare_page(engine.browser) as page, bare_page(engine.browser) as other:
        pid = await bulk.renderer(page)
        assert pid != await bulk.renderer(other)
        before = cost.memory_kib([pid])
        await page.evaluate("void (window.held = new Uint8Array(50 << 20).fill(1))")
        assert cost.memory_kib([pid]).kib - before.kib == pytest.approx(50 << 10, rel=0.1)


async def test_a_bare_page_says_what_went_wrong(engines: Engines) -> None:
    engine: Any = await engines.get("chromium")
    async with bare_page(engine.browser) as page:
        assert await page.evaluate("Promise.resolve(6 * 7)") == 42
        with pytest.raises(ConnectionError, match="Error: no"):
            await page.evaluate("Promise.reject(new Error('no'))")
        with pytest.raises(ConnectionError, match=r"refused Nothing\.such"):
            await page.send("Nothing.such")
        with pytest.raises(ConnectionError, match="could not go to"):
            await page.goto("http://127.0.0.1:1/")


async def test_all_of_it_arrives_and_none_of_it_stays(engines: Engines) -> None:
    async with server_process(["long_polling"]) as server:
        growth = await bulk.measure(server, SUBJECTS["long_polling"], await engines.get("chromium"))
    assert growth.delivered == growth.sent == 1221
    assert growth.kept_kib < 10 << 10  # 20 MB would have stayed in a page that is inspected
    assert growth.peak_kib >= max(growth.end_kib, 1)


async def test_elsewhere_it_is_not_measured_and_says_why(engines: Engines) -> None:
    async with server_process(["sse"]) as server:
        with pytest.raises(UserError, match="Chromium alone: no page of native"):
            await bulk.measure(server, SUBJECTS["sse"], await engines.get("native"))
