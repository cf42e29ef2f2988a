"""Which files a location stands for: local paths by the operating system, URLs (`s3a://`, ...) through Spark."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from perdure.core.errors import SourceError
from perdure.core.record import FileVersion

from ._errors import explain, plain_path

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession

_URL = re.compile(r"^[a-z][a-z0-9+.-]*:/")
_MAGIC = re.compile(r"[*?\[]")


def list_files(spark: SparkSession, location: str) -> list[FileVersion]:
    """The files that `location` (a file, a folder, or a pattern) stands for, sorted by path; none there: an empty list.

    Names that begin with `_` or `.` are left out, as Spark does. Raises SourceError for a link that leads out of
    the folder that is listed, since such a file isn't what was landed there, and for a path that Hadoop's file systems
    can't name.
    """
    if _is_remote(location):
        return _listed_by_spark(spark, location)
    root = plain_path(location)
    found = sorted({os.path.abspath(path) for path in _expanded(root)})
    for path in found:
        if ":" in path:
            raise SourceError(f"{path}: Spark can't read a path with a colon in it: name the file otherwise, such as "
                              f"{os.path.basename(path).replace(':', '-')}")  # fmt: skip
    return [_version(path) for path in found]


def is_local(path: str) -> bool:
    """Whether this process can open the path itself."""
    return not _is_remote(path)


def spark_path(path: str) -> str:
    """A path as Spark's readers take it: characters that are part of the name, not of a pattern, are escaped."""
    return path if _is_remote(path) else re.sub(r"([\\*?\[\]{}])", r"\\\1", path)


def listed(uri: Column, files: Sequence[str]) -> Column:
    """A row's file as `list_files` names it, from the URI that Spark's readers give. They give it row by row, so it is
    only cut where no name of the `files` has anything escaped."""
    from pyspark.sql import functions as F

    if any(is_local(path) and quote(path) != path for path in files):
        uri = F.url_decode(F.replace(uri, F.lit("+"), F.lit("%2B")))
    if not all(is_local(path) for path in files):
        return uri
    scheme = F.when(F.startswith(uri, F.lit("file:///")), 7).otherwise(5)
    return F.substring(uri, scheme + 1, F.lit(1 << 20))


def size(path: str) -> int | None:
    """Bytes of a local file; None for a remote one. Raises SourceError when it can't be opened for reading."""
    if _is_remote(path):
        return None
    try:
        with open(path, "rb") as file:
            return os.fstat(file.fileno()).st_size
    except OSError as error:
        raise SourceError(f"{path}: can't be read: {error.strerror}") from error


def _is_remote(location: str) -> bool:
    return bool(_URL.match(location)) and not location.startswith("file:")


def _expanded(root: str) -> Iterator[str]:
    if not os.path.lexists(root) and _MAGIC.search(root):
        base = root[: _MAGIC.search(root).start()].rpartition("/")[0] or "/"  # type: ignore[union-attr]
        for path in glob.iglob(root, recursive=True):
            if _visible(path, base):
                yield from _below(path, base)
    elif os.path.isdir(root):
        yield from _below(root, root)
    elif os.path.isfile(root) and _visible(root, os.path.dirname(root)):
        yield root


def _below(path: str, base: str) -> Iterator[str]:
    """The visible files at or below `path`; a link out of `base` is refused."""
    if os.path.islink(path) and path != base and not Path(path).resolve().is_relative_to(Path(base).resolve()):
        raise SourceError(
            f"{path}: is a link out of {base}, to {os.path.realpath(path)}; land the file itself, or name its folder "
            "in the pipeline file"
        )
    if os.path.isdir(path):
        for name in os.listdir(path):
            if not name.startswith(("_", ".")):
                yield from _below(os.path.join(path, name), base)
    elif os.path.isfile(path):
        yield path


def _visible(path: str, base: str) -> bool:
    parts = Path(os.path.relpath(path, base or "/")).parts
    return not any(part.startswith(("_", ".")) and part not in (".", "..") for part in parts)


def _version(path: str) -> FileVersion:
    try:
        found = os.stat(path)
    except OSError as error:
        raise SourceError(f"{path}: can't be read: {error.strerror}") from error
    return FileVersion(path, found.st_size, found.st_mtime_ns // 1_000_000)


def _listed_by_spark(spark: SparkSession, location: str) -> list[FileVersion]:
    from pyspark.errors import AnalysisException
    from pyspark.sql import functions as F

    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    try:
        # Without the content column only the listing is read.
        rows = reader.load(location).select("path", "length", F.unix_millis("modificationTime").alias("ms")).collect()
    except AnalysisException as error:
        if error.getCondition() == "PATH_NOT_FOUND":
            return []
        raise explain(error) or error from error
    found = [FileVersion(plain_path(row["path"]), int(row["length"]), int(row["ms"])) for row in rows]
    return sorted(found, key=lambda file: file.path)
