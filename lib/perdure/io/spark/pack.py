"""Packs the library into the zip that executors in other processes import it from: `pack.py LIB ZIP`.

Templates and settings beside the modules go along. The zip appears by a rename, so a reader never sees half of it.
"""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path


def pack(lib: Path, target: Path) -> None:
    """Zip everything under `lib`/perdure but byte code into `target`."""
    new = target.with_name(f"{target.name}.{os.getpid()}")
    with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((lib / "perdure").rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(lib))
    new.replace(target)


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]))
