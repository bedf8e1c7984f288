#!/bin/sh
# Makes .venv: a Python, the locked dependencies, pushlab itself, browsers. `make` calls it when something is out of date.
# .venv/ready is written last; an environment without it was left half done and is made anew.
set -eu
cd "$(dirname "$0")"
here=$(pwd -P)

find_python() {
    for python in python3.13 python3.12 python3.11 python3; do
        "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && return
    done
    return 1
}

apt_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    echo "Installing $* with apt-get …"
    export DEBIAN_FRONTEND=noninteractive
    said=$(apt-get -qq update 2>&1 && apt-get -qq install --no-install-recommends "$@" 2>&1) || {
        echo "$said" >&2
        return 1
    }
}

pip_install() {
    .venv/bin/python -m pip -qq --disable-pip-version-check --no-input install "$@"
}

if [ "$(cat .venv/ready 2>/dev/null)" != "$here" ] || ! .venv/bin/python -c '' 2>/dev/null; then
    find_python || { apt_install python3-venv && find_python; } || {
        echo "pushlab needs Python 3.11 or newer with its venv module (on Debian: apt-get install python3-venv)." >&2
        exit 1
    }
    echo "Making .venv with $("$python" --version) …"
    rm -rf .venv
    "$python" -m venv .venv
fi
rm -f .venv/ready

echo "Installing the locked dependencies …"
pip_install --require-hashes -r requirements.lock
pip_install --no-build-isolation --no-deps -e .

echo "Looking for browsers …"
.venv/bin/python -m benchmarks.engines
echo "$here" >.venv/ready
