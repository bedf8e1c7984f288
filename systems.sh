#!/bin/sh
# Installs the programs of the system that links and their tests use: proxies, and what looks at networks.
# No service of them is started, now or when the machine starts: pushlab runs them by itself, as long as it needs them.
set -eu

packages="nginx haproxy caddy apache2-bin varnish squid lighttpd iproute2 tcpdump"
policy=${POLICY:-/usr/sbin/policy-rc.d}

is_there() {
    dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q '^install ok installed$'
}

fail() {
    echo "$*" >&2
    exit 1
}

# invoke-rc.d, by which Debian's packages start their services, asks this file; 101 is its word for "no".
forbid_services() {
    if [ -e "$policy" ]; then
        answer=0
        "$policy" nginx start >/dev/null 2>&1 || answer=$?
        [ "$answer" = 101 ] || fail "$policy would let services start (its answer was $answer, not 101): make it" \
            "forbid them, or move it away; make systems then does it by itself."
    else
        trap 'rm -f "$policy"' EXIT
        trap 'exit 1' HUP INT TERM
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
}

# What is installed is enabled too, and would start with the machine.
disable_service() {
    for service in "$1" "$1ncsa"; do
        update-rc.d "$service" disable >/dev/null 2>&1 || :
        systemctl --quiet disable "$service" >/dev/null 2>&1 || :
    done
}

missing=""
for package in $packages; do
    is_there "$package" || missing="$missing $package"
done
missing=${missing# }

if [ -n "$missing" ]; then
    command -v apt-get >/dev/null || fail "This is no Debian: install these with what your system has: $missing"
    [ "$(id -u)" = 0 ] || fail "Installing needs root. The one command to run: sudo make systems"
    forbid_services
    echo "Installing $missing with apt-get, starting no service …"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086  # one word each
    said=$(apt-get -qq update 2>&1 && apt-get -qq install --no-install-recommends $missing 2>&1) || fail "$said"
    for package in $missing; do
        disable_service "$package"
    done
fi
# shellcheck disable=SC2086  # one word each
dpkg-query -W -f '${Package} ${Version}\n' $packages
