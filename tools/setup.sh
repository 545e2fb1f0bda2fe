#!/usr/bin/env bash
# Makes the virtual environment that every make target uses. Called by `make setup`; quiet unless something is wrong.
#   PYTHON   the interpreter to make it with (python3)
#   VENV     where it goes (.venv)
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv}

fail() {
  printf 'setup: %s\n' "$1" >&2
  shift
  printf '       %s\n' "$@" >&2
  exit 1
}

command -v "$PYTHON" >/dev/null || fail "there is no \`$PYTHON\` here" "on Debian: apt install python3 python3-venv python3-dev" \
  "another interpreter: make setup PYTHON=/path/to/python3.12"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$PYTHON" --version) is too old; Python 3.11 or newer is needed" "another interpreter: make setup PYTHON=/path/to/python3.12"
# The rule engine is C source; it is compiled here.
command -v "${CC:-gcc}" >/dev/null || fail "there is no C compiler (\`${CC:-gcc}\`)" "on Debian: apt install gcc libc6-dev"
"$PYTHON" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
  fail "the headers of $("$PYTHON" --version) (Python.h) are missing" "on Debian: apt install python3-dev"

# An environment of another interpreter, or one that was moved, is made anew.
if [ -e "$VENV" ] && ! "$VENV/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  rm -rf "$VENV"
fi
if [ ! -x "$VENV/bin/python" ] || ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
  echo "setup: making $VENV (about a minute)"
  if "$PYTHON" -c 'import ensurepip' 2>/dev/null; then
    "$PYTHON" -m venv --clear "$VENV"
  elif "$PYTHON" -m pip --version >/dev/null 2>&1; then
    # Debian without python3-venv but with python3-pip.
    "$PYTHON" -m venv --clear --without-pip "$VENV"
    "$PYTHON" -m pip --python "$VENV/bin/python" install --quiet pip
  else
    fail "this Python can make no virtual environment (ensurepip is missing)" "on Debian: apt install python3-venv"
  fi
fi

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_REQUIRE_VIRTUALENV=1
pip=("$VENV/bin/python" -m pip)
quiet() { "$@" 2> >(grep -v -e 'WARNING: Location .* is ignored' >&2 || true); }

quiet "${pip[@]}" install --quiet --constraint constraints.txt pip
# PyEval_CallObject left Python in 3.13; the engine's C source still calls it under that name.
export CPPFLAGS="${CPPFLAGS:-} -DPyEval_CallObject=PyObject_CallObject"
quiet "${pip[@]}" install --quiet --constraint constraints.txt --build-constraint constraints.txt \
  --editable '.[dev]' --editable clients/python
# A wheel from pip's cache may have been compiled without the line above.
if ! "$VENV/bin/python" -c 'import durable.engine' 2>/dev/null; then
  quiet "${pip[@]}" install --quiet --constraint constraints.txt --build-constraint constraints.txt \
    --no-cache-dir --no-deps --force-reinstall durable-rules
  "$VENV/bin/python" -c 'import durable.engine'
fi
