#!/bin/sh
# Writes requirements.lock anew: every version with its hashes, for all platforms, naming no registry.
set -eu
cd "$(dirname "$0")/.."
. scripts/find_python.sh

uv=uv
[ -x .venv/bin/uv ] && uv=.venv/bin/uv
"$uv" pip compile --quiet --universal --generate-hashes --upgrade --python-version 3.11 --extra dev \
    --no-annotate --no-header --no-emit-index-url --no-emit-find-links -o requirements.lock pyproject.toml
if grep -nE '(https?|file)://|--index-url|--find-links' requirements.lock >&2; then
    echo "requirements.lock 不应含有软件源地址 / must not name a registry" >&2
    exit 1
fi
