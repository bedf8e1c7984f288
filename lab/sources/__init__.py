"""Where events come from: schedules, traces, and the lines of a pipe or a growing file.

A source is open loop on an absolute schedule: it waits for instants, never for readers. Events that fell
due while the process was stalled come out at once afterwards, each with the instant it was due at.
"""

from lab.sources.grammar import KINDS, SourceSpec, parse
from lab.sources.source import Source, pump
from lab.sources.traces import read_trace, record

__all__ = ["KINDS", "Source", "SourceSpec", "parse", "pump", "read_trace", "record"]
