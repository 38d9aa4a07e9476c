#!/bin/sh
# Lint, types and all tests: sh deploy/test.sh. Arguments go to pytest: sh deploy/test.sh tests/core -x
# Installs into .venv only, nothing on the system; tests that lack a tool or data skip and say why.
set -eu
cd "$(dirname "$0")/.."
. deploy/venv.sh

prepare "[dev]" no-apt

# An administrator's tools are often outside an ordinary user's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH
missing=
for tool in dig kdig systemd-analyze systemd-socket-activate setpriv shellcheck; do
    command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
[ -z "$missing" ] || say "Not installed, so what needs them is skipped:$missing"
[ -d ../shared/data ] || say "No ../shared/data beside this checkout: tests on real lists are skipped."

failed=
step() {
    say "== $*"
    "$venv/bin/python" -m "$@" || failed="$failed $1"
}
step ruff check .
step ruff format --check .
step mypy
# Most tests wait more than they compute: three at a time, the tests of one file one after another.
step pytest -n 3 --dist loadfile "$@"

[ -z "$failed" ] || { say "FAILED:$failed"; exit 1; }
say "All well: ruff, mypy, pytest."
