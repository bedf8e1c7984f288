"""Where a process runs: in the machine's own network, or in a network namespace."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A network that processes can be started in.

    Attributes:
        enter: what stands before a command that is to run there; nothing = the machine's own network.
        host: the address at which what listens there is found, by everybody who may find it.
        own: the address of the place's other network, which nothing impairs; the same where there is only one.
    """

    enter: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    own: str = "127.0.0.1"


HERE = Place()
