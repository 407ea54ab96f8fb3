# Sourced: sets PYTHON to an interpreter of at least 3.11, by its own path (shims of version managers confuse uv).

for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    found=$("$candidate" -c 'import sys; print(sys.executable if sys.version_info >= (3, 11) else "")' 2>/dev/null) || found=
    if [ -n "$found" ]; then
        PYTHON=$found
        break
    fi
done
if [ -z "${found:-}" ]; then
    echo "需要 Python 3.11 或更新的版本；装好后重试，或用 make PYTHON=/路径/python3 指明。" >&2
    echo "Python 3.11 or newer is needed; install it, or name it: make PYTHON=/path/to/python3" >&2
    exit 1
fi
# uv must use this interpreter and never fetch one.
UV_PYTHON=$PYTHON UV_PYTHON_DOWNLOADS=never
export UV_PYTHON UV_PYTHON_DOWNLOADS
