"""lighttpd."""

from lab.link.proxy.program import Program

DEFAULT = """\
server.bind = "@host"
server.port = @port
server.document-root = "@folder"
server.errorlog = "/dev/stderr"
server.modules = ( "mod_proxy" )
proxy.server = ( "" => (( "host" => "@server_host", "port" => @server_port )) )
"""

TUNED = """\
proxy.header = ( "upgrade" => "enable" )
server.stream-response-body = 2
server.max-read-idle = 3600
server.max-write-idle = 3600
"""

PROGRAM = Program(
    name="lighttpd",
    package="lighttpd",
    command=("lighttpd", "-D", "-f", "@folder/lighttpd.conf"),
    tells="-v",
    file="lighttpd.conf",
    variants={"default": DEFAULT, "tuned": DEFAULT + TUNED},
)
