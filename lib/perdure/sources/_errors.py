"""Turns what Spark raises over a bad file into a `SourceError` that names the file and what is wrong with it."""

from __future__ import annotations

import re
from urllib.parse import unquote

from perdure.core.errors import SourceError

# Patterns in Spark's message or the Java stack below it, and what they mean to the owner of the file.
_CAUSES = (
    (r"FILE_NOT_EXIST|FileNotFoundException|PATH_NOT_FOUND|Path does not exist", "it isn't there (any more)"),
    (r"AccessControlException|Permission denied|AccessDenied", "this user may not read it"),
    (r"EOFException|Unexpected end of input stream", "it ends too early: is the compressed file truncated?"),
    (
        r"not a gzip file|Not in GZIP format|incorrect header check|invalid (block|distance|stored|code)|ZipException"
        r"|DataFormatException|incorrect data check",
        "its compression is broken, or its name promises a compression that it doesn't have",
    ),
    (r"CANNOT_READ_FILE_FOOTER|is not a Parquet file|corrupted footer", "it isn't a complete Parquet file"),
    (r"maximum (length|number) of|TextParsingException", "a field or record is longer than the reader allows"),
)
_FILE = re.compile(
    r"(?:reading file|Path does not exist:|FileNotFoundException: File|[Ff]ile) '?((?:[a-z][a-z0-9+.-]*:/|/)[^\s'\"]+)"
)


def explain(error: BaseException) -> SourceError | None:
    """The `SourceError` that a Spark error over unreadable input amounts to, or None when it is about something else.

    For the code that runs Spark actions: `raise explain(error) or error`.
    """
    if isinstance(error, SourceError):
        return error
    text = f"{type(error).__name__}: {error}"
    cause = next((meaning for pattern, meaning in _CAUSES if re.search(pattern, text)), None)
    found = _FILE.search(text)
    if found is None or (cause is None and "FAILED_READ_FILE" not in text):
        return None
    return SourceError(f"{plain_path(found.group(1).rstrip('.,;:'))}: can't be read: {cause or text.splitlines()[0]}")


def plain_path(uri: str) -> str:
    """A `file:` URI as a plain path; any other location as it is."""
    match = re.match(r"^file:/+", uri)
    return unquote("/" + uri[match.end() :]) if match else uri
