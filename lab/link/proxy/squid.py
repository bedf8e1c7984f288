"""Squid, standing before a server."""

from lab.link.proxy.program import Program

# The manual's accelerator of one site; the rest keeps it from what it may not touch when it isn't root.
DEFAULT = """\
http_port @host:@port accel defaultsite=@host:@port no-vhost
cache_peer @server_host parent @server_port 0 no-query originserver name=lab
http_access allow all
access_log none
cache_log @folder/cache.log
pid_filename none
coredump_dir @folder
visible_hostname localhost
pinger_enable off
"""

TUNED = """\
http_upgrade_request_protocols OTHER allow all
read_timeout 1 hour
client_lifetime 1 day
cache deny all
"""

PROGRAM = Program(
    name="squid",
    package="squid",
    command=("squid", "-N", "-n", "pushlab@port", "-d", "1", "-f", "@folder/squid.conf"),
    tells="-v",
    file="squid.conf",
    leaves="/dev/shm/pushlab@port-*.shm",  # noqa: S108  (the name is its own)
    variants={"default": DEFAULT, "tuned": DEFAULT + TUNED},
)
