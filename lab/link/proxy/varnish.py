"""Varnish."""

from lab.link.proxy.program import Program

DEFAULT = """\
vcl 4.1;
backend default {
    .host = "@server_host";
    .port = "@server_port";
}
"""

TUNED = """\
vcl 4.1;
backend default {
    .host = "@server_host";
    .port = "@server_port";
    .first_byte_timeout = 1h;
    .between_bytes_timeout = 1h;
}
sub vcl_recv {
    if (req.http.Upgrade ~ "(?i)WebSocket") {
        return (pipe);
    }
    if (req.url ~ "^/transports/") {
        return (pass);
    }
}
sub vcl_pipe {
    if (req.http.Upgrade) {
        set bereq.http.Upgrade = req.http.Upgrade;
        set bereq.http.Connection = req.http.Connection;
    }
}
"""

COMMAND = "varnishd -F -j none -T none -n @folder/work -a @host:@port -f @folder/default.vcl -s malloc,256m"

PROGRAM = Program(
    name="varnish",
    package="varnish",
    command=tuple(COMMAND.split()),
    tells="-V",
    file="default.vcl",
    variants={"default": DEFAULT, "tuned": TUNED},
)
