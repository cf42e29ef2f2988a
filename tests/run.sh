#!/usr/bin/env bash
# Lint, types, import rules and every test, after setting up what they need; `.ci/run` calls this.
# With arguments: pytest alone, with them, in one process: tests/run.sh tests/core -k interval

set -uo pipefail
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
home=${PERDURE_HOME:-$root/.perdure}
cd "$root" || exit
"$root/setup.sh" dev || exit

JAVA_HOME=$(head -n 1 "$home/java")
python=$home/venv/bin/python
export JAVA_HOME PERDURE_HOME=$home PYTHONPATH=$root/lib PYSPARK_PYTHON=$python PYSPARK_DRIVER_PYTHON=$python
export SPARK_LOCAL_IP=127.0.0.1 MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true GX_ANALYTICS_ENABLED=false
export GIT_PYTHON_REFRESH=quiet
# Tests start many processes: where Python is told to keep no byte code, each would compile its packages anew.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX=$home/pycache
export SPARK_HOME=$home/spark
unset SPARK_CONF_DIR

(($# == 0)) || exec "$python" -m pytest "$@"

failed=()
check() {  # name command...
    local started=$SECONDS name=$1
    shift
    printf '== %s\n' "$name"
    "$@" || failed+=("$name")
    printf -- '-- %s: %d s\n' "$name" $((SECONDS - started))
}
sources=()
for folder in lib jobs pipelines tests benchmarks; do [[ ! -d $folder ]] || sources+=("$folder"); done
typed=(lib)
[[ ! -d jobs ]] || typed+=(jobs)

fetch() {  # what the services' tests need
    local lock
    for lock in jars-kafka jars-s3 tests/jars-broker tests/jars-postgres tests/jars-registry; do
        "$root/setup.sh" jars "$root/$lock.lock" >/dev/null || return
    done
}
fetch &
fetching=$!

check ruff "$home/venv/bin/ruff" check "${sources[@]}"
check mypy "$python" -m mypy "${typed[@]}"
check imports "$home/venv/bin/lint-imports" --no-logo
apart='airflow and not slow'  # run by hand: an Airflow of its own, many minutes
# One Spark session a process: two halves of the tests wait for each other's queries less than one after the other.
# Which tests go together, and which come first: tests/conftest.py.
halves=(-n 2 --dist loadgroup --no-loadscope-reorder)
check 'fast tests' "$python" -m pytest -m "not cluster and not long and not services and not $apart" "${halves[@]}" \
    --durations 10
services() {  # real servers, and one session with all the jars that reach them
    command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || {
        echo "PostgreSQL's server is needed (Debian, Ubuntu: apt install postgresql)"
        return 1
    }
    "$python" -m pytest -m "services and not $apart" --durations 10
}
# Servers start and wait, and so do the processes, clusters and set-ups of the long tests: they run side by side.
wait "$fetching" || fetch || failed+=(jars)
told=$(mktemp)
services >"$told" 2>&1 &
beside=$!
check 'long tests' "$python" -m pytest -m "(long or cluster) and not services and not $apart" "${halves[@]}" \
    --durations 20
finish() {  # the services' tests, begun before the long ones
    local ended=0
    wait "$beside" || ended=$?
    cat "$told"
    rm -f "$told"
    return "$ended"
}
check 'services tests' finish

((${#failed[@]} == 0)) || { printf 'failed: %s\n' "$(IFS=,; echo "${failed[*]}")"; exit 1; }
