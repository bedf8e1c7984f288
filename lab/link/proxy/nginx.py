"""nginx."""

from lab.link.proxy.program import Program

# As Debian's nginx.conf has it, but for the paths, the user and what concerns TLS and files.
FRAME = """\
daemon off;
worker_processes auto;
pid @folder/pid;
error_log stderr;
events {
    worker_connections 768;
}
http {
    sendfile on;
    tcp_nopush on;
    default_type application/octet-stream;
    access_log off;
    gzip on;
    client_body_temp_path @folder/body;
    proxy_temp_path @folder/proxy;
    fastcgi_temp_path @folder/fastcgi;
    uwsgi_temp_path @folder/uwsgi;
    scgi_temp_path @folder/scgi;
%s}
"""

DEFAULT = """\
    server {
        listen @host:@port;
        location / {
            proxy_pass http://@server;
        }
    }
"""

GZIP = """\
    gzip_types text/plain text/event-stream application/json;
    gzip_min_length 0;
"""

TUNED = """\
    map $http_upgrade $connection_upgrade {
        default upgrade;
        "" "";
    }
    server {
        listen @host:@port;
        location / {
            proxy_pass http://@server;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_buffering off;
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
        }
    }
"""

PROGRAM = Program(
    name="nginx",
    package="nginx",
    command=("nginx", "-e", "stderr", "-p", "@folder", "-c", "@folder/nginx.conf"),
    tells="-v",
    file="nginx.conf",
    variants={"default": FRAME % DEFAULT, "tuned": FRAME % TUNED, "gzip": FRAME % (GZIP + DEFAULT)},
)
