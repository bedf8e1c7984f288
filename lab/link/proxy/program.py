"""A proxy that Debian has: where it is, how it is started, and the configurations that it is tried with."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from lab.link.proxy.keeper import Template

DEFAULT = "default"

SHOWN = {
    "folder": "…",
    "host": "HOST",
    "port": "PORT",
    "server": "SERVER:PORT",
    "server_host": "SERVER",
    "server_port": "SERVER_PORT",
}
"""What stands in a report for what differs from one start to the next."""


@dataclass(frozen=True)
class Program:
    """A proxy.

    Attributes:
        package: of Debian, that has it.
        command: how it is started, in the foreground; the first part is its name, looked for in PATH.
        tells: what makes it tell its version.
        file: the name of its configuration.
        leaves: the pattern of files that it leaves outside its folder when it is killed.
        variants: each one's whole configuration; texts and command are templates, see `lab.link.proxy.keeper`.
    """

    name: str
    package: str
    command: tuple[str, ...]
    tells: str
    file: str
    variants: Mapping[str, str]
    leaves: str = ""

    @property
    def path(self) -> str | None:
        return _path(self.command[0])

    def version(self) -> str:
        """Such as "1.22.1"; empty where the program isn't there or doesn't say."""
        return _version(self.path, self.tells) if self.path else ""

    def missing(self) -> str:
        """Why it can't be had here, and what would help; empty when it can."""
        if self.path:
            return ""
        return f"{self.name} is not installed: apt-get install {self.package}, or make systems"

    def shown(self, variant: str) -> Mapping[str, str]:
        """Its command and its configuration, for people."""
        command = Template(" ".join(self.command)).substitute(SHOWN)
        return {"command": command, "configuration": Template(self.variants[variant]).substitute(SHOWN)}


def _path(name: str) -> str | None:
    """Programs for administrators are not in everybody's PATH."""
    return shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")


@cache
def _version(path: str, tells: str) -> str:
    said = subprocess.run([path, tells], capture_output=True, text=True, timeout=10, check=False)
    found = re.search(r"\d+\.\d[\w.+~-]*", said.stdout + said.stderr)
    return found[0] if found else ""
