"""A throw-away Kafka broker (KRaft) on loopback, from the jars of tests/jars-broker.lock."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .jars import folder
from .standalone import free_port, wait_for

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
log.retention.ms=-1
num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""


class Broker:
    """A broker on loopback, that can be stopped and started again with what it holds."""

    def __init__(self, place: Path) -> None:
        self.folder, self.port = place, free_port()
        (place / "server.properties").write_text(
            PROPERTIES.format(port=self.port, controller=free_port(), folder=place)
        )
        made = self.tool("kafka.tools.StorageTool", "random-uuid").split()[-1]
        self.tool("kafka.tools.StorageTool", "format", "-t", made, "-c", str(place / "server.properties"))
        self.start()

    def java(self, *words: str) -> list[str]:
        java = Path(os.environ["JAVA_HOME"]) / "bin" / "java"
        libs = f"{folder('jars-broker')}/*"
        return [str(java), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", libs, *words]

    def tool(self, *words: str) -> str:
        return subprocess.run(self.java(*words), check=True, capture_output=True, text=True, timeout=300).stdout

    def start(self) -> None:
        with (self.folder / "log").open("a") as log:
            command = self.java("kafka.Kafka", str(self.folder / "server.properties"))
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)
        wait_for(self.port)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)

    @property
    def options(self) -> dict[str, str]:
        return {"kafka.bootstrap.servers": f"127.0.0.1:{self.port}"}

    def topic(self, name: str, partitions: int, action: str = "--create") -> None:
        self.tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", f"127.0.0.1:{self.port}", action,
                  "--topic", name, "--partitions", str(partitions))  # fmt: skip
