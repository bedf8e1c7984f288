"""Caddy."""

from lab.link.proxy.program import Program

FRAME = """\
{
	admin off
}
:@port {
	bind @host
%s}
"""

TUNED = """\
	reverse_proxy @server {
		flush_interval -1
	}
"""

PROGRAM = Program(
    name="caddy",
    package="caddy",
    command=("caddy", "run", "--adapter", "caddyfile", "--config", "@folder/Caddyfile"),
    tells="version",
    file="Caddyfile",
    variants={
        "default": FRAME % "\treverse_proxy @server\n",
        "tuned": FRAME % TUNED,
        "gzip": FRAME % "\tencode gzip\n\treverse_proxy @server\n",
    },
)
