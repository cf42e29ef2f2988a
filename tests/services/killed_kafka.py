"""As `killed`, for a life that is fed from Kafka and publishes to it: also kills before, while and after it sends."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from perdure.cli import run
from perdure.io import publish as sink
from tests.run import killed

SENT = sink.send


def send(messages: Any, options: Any) -> None:
    last = messages.selectExpr("max(get_json_object(value, '$.interval'))").head()[0]
    name = f"send {last}"
    killed.boundary(f"before {name}")
    threading.Thread(target=lambda: (time.sleep(0.3), killed.boundary(f"while {name}")), daemon=True).start()
    SENT(messages, options)
    killed.boundary(f"after {name}")


sink.send = send  # type: ignore[assignment]

if __name__ == "__main__":
    sys.argv[0] = "run.py"
    run()
