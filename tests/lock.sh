#!/usr/bin/env bash
# Renews the lock files from setup.cfg; versions in them stay unless named: tests/lock.sh --upgrade-package NAME
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
trap 'rm -rf lib/perdure.egg-info' EXIT
lock() { .perdure/venv/bin/uv pip compile setup.cfg --quiet --universal --python-version 3.10 --no-annotate --no-header \
    --no-emit-index-url "$@" >/dev/null; }
lock --extra spark --extra examples --extra alerts --extra setup -o requirements.txt "$@"
lock --extra spark --extra examples --extra alerts --extra setup --extra dev -c requirements.txt -o requirements-dev.txt "$@"
