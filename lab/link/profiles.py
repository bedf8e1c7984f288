"""Networks that people know, by figures that others have published.

They are what an access line adds, as page-speed tools emulate it: a round trip and two rates, and no jitter, for the
tools have none. What stands here without such a source says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass

WEBPAGETEST = "WebPageTest's preset (www/settings/connectivity.ini.sample)"


@dataclass(frozen=True)
class Profile:
    """A network: its settings, as they would be written, and where they are from."""

    title: str
    settings: str
    source: str


PROFILES: Mapping[str, Profile] = {
    "lan": Profile(
        "a local network", "rtt=1ms,rate=100mbit", "the rate of 100BASE-TX (IEEE 802.3u); the round trip is chosen here"
    ),
    "cable": Profile("cable", "rtt=28ms,down=5mbit,up=1mbit", WEBPAGETEST),
    "dsl": Profile("DSL", "rtt=50ms,down=1.5mbit,up=384kbit", WEBPAGETEST),
    "4g": Profile("4G", "rtt=170ms,rate=9mbit", WEBPAGETEST),
    "3g": Profile("3G", "rtt=300ms,down=1.6mbit,up=768kbit", WEBPAGETEST),
    "wifi-lossy": Profile(
        "a bad Wi-Fi",
        "rtt=10ms,jitter=4ms,loss=3%,burst=8,density=50%,down=30mbit,up=15mbit",
        "the rates of Firefox's developer tools for Wi-Fi; round trip, jitter and bursts of loss are chosen here",
    ),
    "satellite": Profile(
        "a geostationary satellite",
        "rtt=558ms,down=25mbit,up=3mbit",
        "the round trip that RFC 2488 derives; the rates by which the FCC defined broadband in 2015",
    ),
}
