"""A relay that was asked for: `relay` or `relay:key=value,…`."""

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from lab.errors import UserError, shown
from lab.link.place import Place
from lab.link.relay.running import RelayProcess, running
from lab.link.relay.toxics import KEYS, Toxics, as_settings, changed


@dataclass(frozen=True)
class RelaySpec:
    """A relay, understood and checked, but not yet there."""

    toxics: Toxics = field(default_factory=Toxics)

    @property
    def text(self) -> str:
        settings = ",".join(f"{key}={value}" for key, value in as_settings(self.toxics).items())
        return f"relay:{settings}" if settings else "relay"

    @property
    def title(self) -> str:
        told = ", ".join(KEYS[key].tells.format(value) for key, value in as_settings(self.toxics).items())
        return f"a relay ({told})" if told else "a relay that only passes on"

    def missing(self) -> str:
        """It needs nothing."""
        return ""

    def running(self, place: Place) -> AbstractAsyncContextManager[RelayProcess]:
        return running(self.toxics, place)


def parse(rest: str) -> RelaySpec:
    """Read what stands after "relay:".

    Raises:
        UserError: a key is unknown or given twice, or its value is impossible.
    """
    try:
        return RelaySpec(changed(Toxics(), dict(_pairs(rest))))
    except UserError as error:
        raise UserError(f"link {shown(f'relay:{rest}')}: {error}") from error


def _pairs(rest: str) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for item in rest.split(",") if rest else []:
        key, equals, value = (part.strip() for part in item.partition("="))
        if not (key and equals and value) or key in seen:
            raise UserError(f"{shown(item)} is wrong: each key is given once, as {key or 'delay'}=VALUE")
        seen.add(key)
        yield key, value
