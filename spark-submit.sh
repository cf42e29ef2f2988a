#!/usr/bin/env bash
# spark-submit with the environment, the jars, the library and the session defaults in place; see usage below.
# docs/decisions/0001-start-up.md says why it does what it does, and what it costs.

set -euo pipefail
self=${BASH_SOURCE[0]}
[[ ! -L $self ]] || self=$(readlink -f "$self")
root=$(cd "$(dirname "$self")" && pwd)
home=${PERDURE_HOME:-$root/.perdure}
conf=$root/lib/perdure/io/spark

usage() {
    cat <<'TEXT'
Usage: ./spark-submit.sh [spark-submit's options] JOB.py [the job's arguments]

    ./spark-submit.sh jobs/run.py pipelines/flights.yml                          all due steps, on this machine
    ./spark-submit.sh jobs/run.py --help                                         what a job does and takes
    ./spark-submit.sh --master 'local[2]' --driver-memory 8g jobs/train.py ...   cores and memory
    ./spark-submit.sh --master spark://host:7077 jobs/score.py ...               on a cluster
    ./spark-submit.sh --remote sc://host:15002 jobs/score.py ...                 on a Spark Connect server

It is Spark's own spark-submit: options before the job's file are Spark's, arguments after it are the job's, and the
exit code is the job's. It adds a virtual environment, Java where none fits, Delta's jars, the library in lib/ for driver
and executors, and session defaults; yours win. The first start sets all that up in .perdure/ and needs the network;
later ones don't. --spark-help lists Spark's options.
TEXT
}

die() { printf 'perdure: %s\n' "$*" >&2; exit "${code:-1}"; }

# ---- the command line: what has to be joined with ours is taken out, the rest goes to Spark untouched
options=() pyfiles="" jars="" classpath="" master="" deploy="" properties="" jobless="" remote=""
take() {  # option value
    case $1 in
        --py-files) pyfiles=$2 ;;
        --jars) jars=$2 ;;
        --driver-class-path) classpath=$2 ;;
        -c | --conf)
            case $2 in
                spark.submit.pyFiles=*) pyfiles=${2#*=} ;;
                spark.jars=*) jars=${2#*=} ;;
                spark.driver.extraClassPath=*) classpath=${2#*=} ;;
                *)
                    [[ $2 != spark.master=* || $master ]] || master=${2#*=}
                    [[ $2 != spark.submit.deployMode=* || $deploy ]] || deploy=${2#*=}
                    options+=(--conf "$2")
                    ;;
            esac
            ;;
        --master) master=$2; options+=("$1" "$2") ;;
        --deploy-mode) deploy=$2; options+=("$1" "$2") ;;
        --properties-file) properties=$2; options+=("$1" "$2") ;;
        --remote) remote=$2 ;;
        --status | --kill) jobless=yes; options+=("$1" "$2") ;;
        *) options+=("$1" "$2") ;;
    esac
}
(($#)) || { usage; exit 2; }
while (($#)); do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --spark-help) options+=(--help); jobless=yes; shift ;;
        --version) options+=("$1"); jobless=yes; shift ;;
        --supervise | -v | --verbose) options+=("$1"); shift ;;
        --*=*) take "${1%%=*}" "${1#*=}"; shift ;;
        -*)
            (($# > 1)) || code=2 die "$1 needs a value. ./spark-submit.sh --help says how it is used."
            take "$1" "$2"; shift 2
            ;;
        *) break ;;
    esac
done
(($#)) || [[ $jobless ]] || code=2 die "no job file given. ./spark-submit.sh --help says how it is used."
[[ ${1:-} != *.py || $1 == *:* || -f $1 ]] ||
    code=2 die "there is no job file $1 (from $PWD). The jobs: $(cd "$root" && echo jobs/*.py)"

# ---- what the set-up made; stamps, so that nothing is resolved, hashed or started to know that it is there
ready() {
    local basis
    [[ -f $home/requirements.txt && $(<"$home/requirements.txt") == "$(<"$root/requirements.txt")" ]] || return 1
    { read -r java && read -r basis; } 2>/dev/null <"$home/java" || return 1
    [[ -x $home/spark/bin/spark-submit && -x $java/bin/java ]] || return 1
    [[ $java == "${JAVA_HOME:-}" || $basis == "${JAVA_HOME:-}|$(type -P java)" ]] || return 1
    delta=("$home"/jars/delta-*.jar)
    [[ -f $home/jars.stamp && $(stat -c '%n %s %Y' "${delta[@]}" 2>/dev/null) == "$(<"$home/jars.stamp")" ]]
}
if ! ready; then
    "$root/setup.sh" || exit
    ready || die "the set-up in $home is not complete. Remove that folder, then run the same command again."
fi
export JAVA_HOME=$java SPARK_HOME=$home/spark
# Who wants no byte code beside the sources gets it here: without any, each start compiles its packages anew, and so does
# each worker.
if [[ ${PYTHONDONTWRITEBYTECODE:-} && -w $home ]]; then
    unset PYTHONDONTWRITEBYTECODE
    export PYTHONPYCACHEPREFIX=${PYTHONPYCACHEPREFIX:-$home/pycache}
fi

[[ ${1:-} != *.py ]] || : "${remote:=${SPARK_REMOTE:-}}"
# ---- over Spark Connect there is no Java here, and the session's settings are the server's
if [[ $remote ]]; then
    ((${#options[@]} == 0)) && [[ -z $jars$pyfiles$classpath ]] ||
        code=2 die "with --remote the server's jars and settings hold: leave the other options of Spark out, or start it with them."
    export SPARK_REMOTE=$remote PYTHONPATH=$root/lib${PYTHONPATH:+:$PYTHONPATH} PYTHONHASHSEED=0 PERDURE_HOME=$home
    export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true GX_ANALYTICS_ENABLED=false GIT_PYTHON_REFRESH=quiet
    unset PYSPARK_SUBMIT_ARGS
    exec "$home/venv/bin/python" "$@"
fi

# ---- the user's own defaults (a properties file, else spark-defaults.conf) win over ours
declare -A given=()
if [[ -f ${properties:=${SPARK_CONF_DIR:-$SPARK_HOME/conf}/spark-defaults.conf} ]]; then
    while IFS=$' \t=:' read -r key value; do
        [[ -z $key || $key == \#* ]] || given[$key]=$value
    done <"$properties"
fi
: "${pyfiles:=${given[spark.submit.pyFiles]:-}}" "${jars:=${given[spark.jars]:-}}"
: "${classpath:=${given[spark.driver.extraClassPath]:-}}" "${deploy:=${given[spark.submit.deployMode]:-client}}"
: "${master:=${given[spark.master]:-${MASTER:-local[*]}}}"
ours=()
default() { [[ -v given[$1] ]] || ours+=(--conf "$1=$2"); }
defaults_from() {
    local key value
    while read -r key value; do
        [[ -z $key || $key == \#* ]] || default "$key" "$value"
    done <"$1"
}
join() { local IFS=$1 a; shift; a=("$@"); printf '%s' "${a[*]}"; }

# ---- session defaults
defaults_from "$conf/common.conf"
[[ ${SPARK_DRIVER_MEMORY:-} ]] || default spark.driver.memory 4g
url=${conf//%/%25}; url=${url// /%20}
java_options="-Dlog4j2.configurationFile=file:$url/log4j2.properties"
if [[ $master == local || $master == "local["* ]]; then
    defaults_from "$conf/local.conf"
    default spark.sql.warehouse.dir "$home/warehouse"  # not a folder wherever the job was started
    export SPARK_LOCAL_IP=${SPARK_LOCAL_IP:-127.0.0.1}
    # Driver and executor are one process, so the class path serves both; classes from there can come from an archive.
    first=("${delta[@]}" "$SPARK_HOME/no-blas.jar")
    [[ -e ${first[-1]} ]] || unset 'first[-1]'
    ours+=(--conf "spark.driver.extraClassPath=$(join : "${first[@]}")${classpath:+:$classpath}")
    [[ -z $jars ]] || ours+=(--jars "$jars")
    [[ -z $pyfiles ]] || ours+=(--py-files "$pyfiles")
    source "$conf/local-java.sh"
    export PYSPARK_PYTHON=$home/venv/bin/python
else
    [[ $master != local-cluster* ]] || export SPARK_LOCAL_IP=${SPARK_LOCAL_IP:-127.0.0.1}
    zip=$home/perdure.zip
    if [[ ! -f $zip || $(find "$root/lib/perdure" -name __pycache__ -prune -o -newer "$zip" -print -quit) ]]; then
        "$home/venv/bin/python" "$conf/pack.py" "$root/lib" "$zip"
    fi
    [[ -z $classpath ]] || ours+=(--conf "spark.driver.extraClassPath=$classpath")
    ours+=(--jars "$(join , "${delta[@]}")${jars:+,$jars}" --py-files "$zip${pyfiles:+,$pyfiles}")
    # Elsewhere the machines bring their own Python: PYSPARK_PYTHON or --conf spark.pyspark.python.
    [[ $master != local-cluster* && $master != spark://* ]] || export PYSPARK_PYTHON=${PYSPARK_PYTHON:-$home/venv/bin/python}
fi
[[ $deploy == cluster ]] || default spark.driver.defaultJavaOptions "$java_options"

export PYSPARK_DRIVER_PYTHON=$home/venv/bin/python
export PYTHONPATH=$root/lib${PYTHONPATH:+:$PYTHONPATH} PYTHONHASHSEED=0 PERDURE_HOME=$home
export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true GX_ANALYTICS_ENABLED=false GIT_PYTHON_REFRESH=quiet

# ---- Python first: it starts Spark when the job asks for a session, so usage errors and --help cost no Java start, and
# the job has the terminal, the input and the exit code to itself. What isn't a local Python job goes Spark's way.
if [[ ! -f ${1:-} || $1 != *.py || $deploy == cluster || ${PERDURE_DUMP_CLASSES:-} ]]; then
    exec "$SPARK_HOME/bin/spark-submit" "${ours[@]}" "${options[@]}" "$@"
fi
PYSPARK_SUBMIT_ARGS=""
for word in "${ours[@]}" "${options[@]}" pyspark-shell; do PYSPARK_SUBMIT_ARGS+="'${word//\'/\'\\\'\'}' "; done
export PYSPARK_SUBMIT_ARGS
exec "$home/venv/bin/python" "$@"
