#!/bin/sh
# Makes .venv-independent: C2SP implementations that we did not write (aics-tlog, aics-witness), hash-pinned, apart from our own
# libraries. They need Python 3.12 or later; ours may be 3.11, hence the search. `INDEPENDENT_PYTHON=/path/to/python` overrules it.
set -eu
cd "$(dirname "$0")/../.."
venv=.venv-independent
lock=tests/independent/requirements.lock
uv=.venv/bin/uv
[ -x "$uv" ] || uv=uv

if [ -f "$venv/.lock" ] && cmp -s "$lock" "$venv/.lock" && "$venv/bin/python" -c 'import aics_tlog' 2>/dev/null; then
    exit 0
fi

usable() {
    [ -n "$1" ] && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null
}

# Interpreters kept side by side (pyenv and the like) are found beside the one that runs our own .venv.
beside() {
    base=$(.venv/bin/python -c 'import os, sys; print(os.path.dirname(sys.base_prefix))' 2>/dev/null) || return 0
    ls -d "$base"/*3.1[2-9]*/bin/python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python3 2>/dev/null || true
}

python=
for candidate in "${INDEPENDENT_PYTHON:-}" python3.12 python3.13 python3.14 python3 $(beside); do
    if usable "$candidate"; then
        python=$candidate
        break
    fi
done
# Nothing here: let uv fetch one.
rm -rf "$venv"
"$uv" venv --quiet --python "${python:-3.12}" "$venv"
"$uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r "$lock"
cp "$lock" "$venv/.lock"
