# Makes .venv in the checkout and installs filterd into it, for demo.sh and test.sh. Sourced from the checkout's root.
#
# Writes only inside .venv. Installs again only when what is installed could differ: setup.cfg, the Python or the folder.
# pip is configured the usual way (PIP_INDEX_URL, PIP_FIND_LINKS, pip.conf); nothing here overrides it.

venv=.venv

say() { printf '%s\n' "$*" >&2; }

# Prints the first Python that will do. $PYTHON, if set, is the only candidate.
find_python() {
    wanted='import sys; sys.exit(not (sys.version_info >= (3, 11) and sys.maxsize > 2**32))'
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c "$wanted" >/dev/null 2>&1; then
            command -v "$candidate"
            return 0
        fi
    done
    say "filterd needs Python 3.11 or newer, 64-bit. Found: $(describe_python "${PYTHON:-python3}")."
    say "Cần Python 3.11 trở lên, bản 64-bit. Debian 12/13, Raspberry Pi OS (64-bit): apt install python3"
    return 1
}

describe_python() {
    command -v "$1" >/dev/null 2>&1 || { printf 'no %s' "$1"; return; }
    "$1" -c 'import platform, sys
print(sys.executable, platform.python_version(), "64-bit" if sys.maxsize > 2**32 else "32-bit")' 2>&1
}

# Debian ships Python without ensurepip; $2 is "apt" where this script may install it.
need_venv_module() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null && return 0
    if [ "$2" = apt ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "python3-venv is missing: installing it with apt-get ..."
        if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y python3-venv; } >&2; then
            say "apt-get could not install python3-venv."
        fi
        "$1" -c 'import ensurepip, venv' 2>/dev/null && return 0
    fi
    say "This Python cannot make virtual environments ($1). Install them, then start this again:"
    say "Thiếu mô-đun venv. Cài rồi chạy lại:"
    say "    sudo apt install python3-venv"
    return 1
}

make_venv() {
    # A checkout that was moved, or a Python that was upgraded away, leaves an environment that cannot start.
    if [ -e "$venv" ] && ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        say "$venv does not start any more: making it anew."
        rm -rf "$venv"
    fi
    [ -e "$venv" ] && return 0
    "$1" -m venv "$venv" && return 0
    rm -rf "$venv"
    say "Could not make $venv with $1 (see above)."
    return 1
}

# install EXTRAS: "" or "[dev]".
install() {
    log=$venv/pip.log
    say "Installing filterd$1 into $venv; the first time takes a minute or two ..."
    say "Đang cài vào $venv; lần đầu mất một hai phút ..."
    if "$venv/bin/python" -m pip install --quiet --editable ".$1" >"$log" 2>&1; then
        return 0
    fi
    say "pip could not install filterd$1. What it said (all of it: $log):"
    { grep -E 'ERROR: [A-Z]|[Nn]o space left' "$log" || cat "$log"; } | tail -n 8 | sed 's/^/    /' >&2
    say "Thường là do máy chưa ra được Internet: hãy nối mạng một lần rồi chạy lại."
    say "Most often there is no way to a package index from here. Connect to the Internet once, or point pip at"
    say "a local copy: PIP_INDEX_URL=https://mirror.example/simple, or PIP_NO_INDEX=1 PIP_FIND_LINKS=/folder/of/wheels"
    return 1
}

# prepare EXTRAS apt|no-apt: afterwards .venv/bin/filterd is there and current.
prepare() {
    what=$({ cat setup.cfg; pwd; readlink -f "$venv/bin/python"; } 2>/dev/null | cksum)
    # The extras contain the plain installation.
    for stamp in "$venv/installed$1" "$venv/installed[dev]"; do
        if [ -x "$venv/bin/filterd" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$what" ]; then
            return 0
        fi
    done
    python=$(find_python) && need_venv_module "$python" "$2" && make_venv "$python" && install "$1" || return 1
    { cat setup.cfg; pwd; readlink -f "$venv/bin/python"; } | cksum >"$venv/installed$1"
}
