"""A relay: a TCP proxy without privileges that holds, slows, slices, freezes and cuts, and knows some HTTP."""

from lab.link.relay.relay import Relay, relaying
from lab.link.relay.spec import RelaySpec, parse
from lab.link.relay.toxics import Toxics

__all__ = ["Relay", "RelaySpec", "Toxics", "parse", "relaying"]
