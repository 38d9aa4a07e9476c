#!/bin/sh
# The demo school on this machine: sh deploy/demo.sh, or sh deploy/demo.sh --check. Other flags: --help.
# Makes .venv, installs, compiles the shipped lists; deploy/demo.py does the rest.
set -eu
cd "$(dirname "$0")/.."
. deploy/venv.sh

prepare "" apt

# The shipped lists are compiled again when they, or the code that compiles them, changed.
lists=$(cat blocklists/sources.yaml blocklists/curated/* filterd/store/*.py filterd/core/*.py filterd/core/rules/*.py |
    cksum)
if [ ! -f var/CURRENT ] || [ "$(cat "$venv/lists" 2>/dev/null)" != "$lists" ]; then
    rm -f "$venv/lists"
    if ! "$venv/bin/filterd" lists build -c . --state-dir var >"$venv/lists.log" 2>&1; then
        cat "$venv/lists.log" >&2
        say "The lists did not compile (see above); nothing was started."
        exit 1
    fi
    printf '%s\n' "$lists" >"$venv/lists"
    grep '^Table' "$venv/lists.log" || true
fi

exec "$venv/bin/python" -m deploy.demo "$@"
