#!/bin/sh
# Makes .venv with exactly what requirements.lock names, hashes checked, and the project itself on top (editable).
# Called by make only when the lock, pyproject.toml or this script is newer than the stamp.
set -eu
cd "$(dirname "$0")/.."
. scripts/find_python.sh

uv_version=0.13.9
stamp=.venv/.bihuan-setup
digest=$("$PYTHON" -c 'import hashlib, sys; print(hashlib.sha256(b"".join(open(f, "rb").read() for f in sys.argv[1:])).hexdigest())' \
    requirements.lock pyproject.toml scripts/setup.sh)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$digest" ] && .venv/bin/python -c "" 2>/dev/null; then
    touch "$stamp"
    exit 0
fi

echo "准备运行环境 .venv（约 10 到 60 秒）/ setting up .venv …"
# Anew rather than updated: what an earlier lock named must not linger.
if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then
    uv=uv
    "$PYTHON" -m venv --clear --without-pip .venv
else
    if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "这个 Python（$PYTHON）缺少 ensurepip：Debian、Ubuntu 请安装 python3-venv，或先装好 uv，再重试。" >&2
        echo "This Python lacks ensurepip: install python3-venv (Debian, Ubuntu), or install uv, and try again." >&2
        exit 1
    fi
    "$PYTHON" -m venv --clear .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$uv_version"
    uv=.venv/bin/uv
fi
# Where Python may not write bytecode (some containers say so) every start would compile every library again.
compile=
[ -z "${PYTHONDONTWRITEBYTECODE:-}" ] || compile=--compile-bytecode
"$uv" pip install --quiet $compile --python .venv/bin/python --require-hashes -r requirements.lock
"$uv" pip install --quiet --python .venv/bin/python --no-deps -e .
echo "$digest" >"$stamp"
