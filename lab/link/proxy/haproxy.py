"""HAProxy."""

from lab.link.proxy.program import Program

# Debian's haproxy.cfg, without its logging to syslog, its pages for errors and its defaults for TLS.
DEBIAN = """\
defaults
    mode http
    timeout connect 5000
    timeout client 50000
    timeout server 50000
"""

TUNED = """\
defaults
    mode http
    option http-no-delay
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    timeout client-fin 5s
"""

PASSES = """\
listen lab
    bind @host:@port
    server lab @server
"""

GZIP = """\
    filter compression
    compression algo gzip
    compression type text/plain text/event-stream application/json
"""

PROGRAM = Program(
    name="haproxy",
    package="haproxy",
    command=("haproxy", "-db", "-f", "@folder/haproxy.cfg"),
    tells="-v",
    file="haproxy.cfg",
    variants={
        "default": DEBIAN + PASSES,
        "tuned": TUNED + PASSES,
        "no-delay": DEBIAN + PASSES + "    option http-no-delay\n",
        "gzip": TUNED + PASSES + GZIP,
    },
)
