"""Pictures of a running Airflow's pages, in Chromium. With PERDURE_PICTURES=folder the scheduler's test takes them.

Needs `websockets` (Airflow's environment has it): python tests/airflow/pictures.py BASE DAG FOLDER
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import websockets

SIZE = {"width": 1500, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
OPEN_GROUPS = "document.querySelectorAll('[data-testid=\"expand-all-groups\"], [aria-label*=\"xpand all\"]')"


async def take(base: str, dag: str, folder: Path, socket: str) -> None:
    """The DAG's grid and graph as PNG files."""
    async with websockets.connect(socket, max_size=None) as page:
        counter = iter(range(1, 1000))

        async def call(method: str, **given: Any) -> Any:
            number = next(counter)
            await page.send(json.dumps({"id": number, "method": method, "params": given}))
            while True:
                answer = json.loads(await page.recv())
                if answer.get("id") == number:
                    return answer["result"]

        await call("Emulation.setDeviceMetricsOverride", **SIZE)
        await call("Page.navigate", url=f"{base}/auth/login?next={base}/")
        await asyncio.sleep(20)
        for view in ("grid", "graph"):
            await call("Runtime.evaluate", expression=f"localStorage.setItem('default_dag_view', '\"{view}\"')")
            await call("Page.navigate", url=f"{base}/dags/{dag}")
            await asyncio.sleep(20)
            await call("Runtime.evaluate", expression=f"{OPEN_GROUPS}.forEach(each => each.click())")
            await asyncio.sleep(10)
            shot = await call("Page.captureScreenshot", format="png")
            (folder / f"{view}.png").write_bytes(base64.b64decode(shot["data"]))


def main(base: str, dag: str, folder: str) -> None:
    """Starts Chromium, takes the pictures, and ends it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
             "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # fmt: skip
        try:
            assert browser.stderr is not None
            line = next(line for line in browser.stderr if "DevTools listening" in line)
            port = line.split("127.0.0.1:")[1].split("/")[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=30) as answer:
                socket = next(each for each in json.load(answer) if each["type"] == "page")["webSocketDebuggerUrl"]
            asyncio.run(take(base, dag, Path(folder), socket))
        finally:
            browser.terminate()
            browser.wait(30)


if __name__ == "__main__":
    main(*sys.argv[1:])
