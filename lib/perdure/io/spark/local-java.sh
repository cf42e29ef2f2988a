# Sourced by spark-submit.sh for local masters; adds to $java_options. Reads $home, $root, $java, $first.
# shellcheck shell=bash disable=SC2154

# The last compiler tier later than usual: a pipeline is many short queries, each with new code, few of them long.
java_options+=" -XX:Tier4InvocationThreshold=25000 -XX:Tier4MinInvocationThreshold=3000"
java_options+=" -XX:Tier4CompileThreshold=75000 -XX:Tier4BackEdgeThreshold=200000"
# Two hundred megabytes of compiled code a year; the default room is about as large.
java_options+=" -XX:ReservedCodeCacheSize=512m"
# Some hundred megabytes of classes a life; Java would collect the whole heap at each of the steps towards it.
java_options+=" -XX:MetaspaceSize=256m"
# A library of Spark's (BLAS) makes Java warn of things that no user can mend.
java_options+=" -XX:-PrintWarnings"
# On two cores parallel collectors are only overhead.
if (($(nproc) > 2)); then java_options+=" -XX:+UseParallelGC"; else java_options+=" -XX:+UseSerialGC"; fi

# An archive of loaded classes halves the time to the first job. It holds for one Java and one set of jars, and is
# built in the background by the first run that misses it. Java itself checks it, and does without where it doesn't fit.
archive=$home/classes.jsa
if [[ ${PERDURE_DUMP_CLASSES:-} ]]; then
    java_options+=" \"-XX:ArchiveClassesAtExit=$PERDURE_DUMP_CLASSES\" -Xlog:disable"
elif [[ ${PERDURE_CLASS_ARCHIVE:-on} != off ]]; then
    [[ $(<"$home/requirements.txt") =~ pyspark==[^[:space:]]+ ]]
    archive_key=$java$'\n'${first[*]}$'\n'$(<"$home/jars.stamp")$'\n'${BASH_REMATCH[0]}
    [[ ! -f $java/release ]] || archive_key+=$(<"$java/release")
    if [[ -f $archive && -f $archive.key && $(<"$archive.key") == "$archive_key$(stat -c '%s %Y' "$archive")" ]]; then
        java_options+=" \"-XX:SharedArchiveFile=$archive\" -Xshare:auto -Xlog:disable -Xlog:all=error:stderr"
    elif [[ -z ${CI:-} && ! -e $archive.failed ]]; then
        setsid nice -n 19 "$root/setup.sh" archive "$archive_key" </dev/null &>/dev/null &
    fi
fi
