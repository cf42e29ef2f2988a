"""Sends a notice by e-mail, chat or webhook, through Apprise. The only importer of apprise; install perdure[alerts]."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from perdure.core.errors import PerdureError


def send(urls: Sequence[str], title: str, body: str, picture: bytes | None = None) -> bool:
    """Sends, with a picture (PNG) where the service takes one, to every Apprise URL (`mailto://`, `slack://`,
    `msteams://`, `json://`, ...); whether all took it. Raises PerdureError where Apprise isn't installed or a URL names
    no service that it knows."""
    try:
        import apprise
    except ImportError as error:
        raise PerdureError(
            "alerts need the package apprise, which is not installed; install perdure[alerts], or take 'alerts' out of "
            "the pipeline file"
        ) from error
    services = apprise.Apprise()
    for number, url in enumerate(urls, 1):
        if not services.add(url):
            kind = url.split("://", maxsplit=1)[0]
            raise PerdureError(
                f"alerts.to, entry {number} ({kind}://...): Apprise knows no such service; see its list of URLs"
            )
    with tempfile.TemporaryDirectory() as folder:
        attached = Path(folder, "perdure.png")
        if picture is not None:
            attached.write_bytes(picture)
        attach = str(attached) if picture is not None else None
        return bool(services.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT, attach=attach))
