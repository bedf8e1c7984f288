"""Real proxies, as Debian has them, each with its default configuration and with others."""

from lab.link.proxy.program import Program
from lab.link.proxy.spec import PROGRAMS, ProxySpec, parse

__all__ = ["PROGRAMS", "Program", "ProxySpec", "parse"]
