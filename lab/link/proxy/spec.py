"""Which proxy was asked for, and with what configuration."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lab.errors import UserError, shown
from lab.link.place import Place
from lab.link.proxy import apache, caddy, haproxy, lighttpd, nginx, squid, varnish
from lab.link.proxy.program import DEFAULT, Program
from lab.link.proxy.running import Proxy

PROGRAMS: Mapping[str, Program] = {
    one.PROGRAM.name: one.PROGRAM for one in (nginx, haproxy, caddy, apache, varnish, squid, lighttpd)
}

TITLES = {
    "default": "as it comes",
    "tuned": "tuned for streams",
    "no-delay": "told not to delay",
    "gzip": "compressing streams",
}


@dataclass(frozen=True)
class ProxySpec:
    """A proxy with one of its configurations."""

    program: Program
    variant: str = DEFAULT

    @property
    def text(self) -> str:
        return f"proxy:{self.program.name}" + ("" if self.variant == DEFAULT else f":{self.variant}")

    @property
    def title(self) -> str:
        return f"{self.program.name} {TITLES[self.variant]}"

    def missing(self) -> str:
        return self.program.missing() if sys.platform == "linux" else "proxies are started on Linux only"

    @asynccontextmanager
    async def running(self, place: Place) -> AsyncIterator[Proxy]:
        proxy = Proxy(self.program, self.variant, self.text, place)
        try:
            yield proxy
        finally:
            await proxy.stop()


def parse(rest: str) -> ProxySpec:
    """Read "nginx" or "nginx:tuned".

    Raises:
        UserError: there is no such proxy, or it has no such configuration.
    """
    name, colon, variant = rest.partition(":")
    if name not in PROGRAMS:
        raise UserError(f"unknown proxy {shown(name)}: there are {', '.join(PROGRAMS)}")
    program = PROGRAMS[name]
    if colon and variant not in program.variants:
        raise UserError(
            f"proxy {name!r} has no configuration {shown(variant)}: there are {', '.join(program.variants)}"
        )
    return ProxySpec(program, variant or DEFAULT)
