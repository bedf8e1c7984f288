"""Apache httpd."""

from lab.link.proxy.program import Program

# What Debian's apache2.conf and its enabled modules say of proxying: the rest of them can't matter here.
FRAME = """\
ServerRoot /usr/lib/apache2
ServerName localhost
DefaultRuntimeDir @folder
PidFile @folder/pid
Mutex file:@folder default
ErrorLog /dev/stderr
LogLevel warn
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule filter_module modules/mod_filter.so
LoadModule deflate_module modules/mod_deflate.so
LoadModule reqtimeout_module modules/mod_reqtimeout.so
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_http_module modules/mod_proxy_http.so
Timeout 300
KeepAlive On
MaxKeepAliveRequests 100
KeepAliveTimeout 5
RequestReadTimeout header=20-40,minrate=500
RequestReadTimeout body=10,minrate=500
AddOutputFilterByType DEFLATE text/html text/plain text/xml text/css text/javascript
AddOutputFilterByType DEFLATE application/javascript application/xml application/wasm
Listen @host:@port
"""

PROGRAM = Program(
    name="apache",
    package="apache2-bin",
    command=("apache2", "-DFOREGROUND", "-f", "@folder/apache2.conf"),
    tells="-v",
    file="apache2.conf",
    variants={
        "default": FRAME + "ProxyPass / http://@server/\n",
        "tuned": FRAME + "ProxyPass / http://@server/ upgrade=WebSocket flushpackets=on timeout=3600\n",
        "gzip": FRAME + "AddOutputFilterByType DEFLATE text/event-stream\nProxyPass / http://@server/\n",
    },
)
