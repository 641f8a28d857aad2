# SPDX-License-Identifier: Apache-2.0
"""A real broker of one node, and what it was given."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaException
from confluent_kafka.admin import AdminClient
from loopback import free_ports
from stack_server import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Message

INSTALL = Path(__file__).parent / "kafka" / "install.sh"
_NODE = "MkU3OEVBNTcwNTJENDM2Qk"
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


class Broker(Server):
    """Started by ``run``; its data is in ``folder`` and survives a restart."""

    def __init__(self, folder: Path) -> None:
        installed = subprocess.run([INSTALL], stdout=subprocess.PIPE, text=True, check=True)
        jars = str(Path(installed.stdout.strip()) / "lib" / "*")
        port, controller = free_ports(2)
        self.address = f"127.0.0.1:{port}"
        properties = folder / "server.properties"
        properties.write_text(_PROPERTIES.format(port=port, controller=controller, folder=folder))
        java = ["java", "-Xmx384m", "-XX:+UseSerialGC", "-cp", jars]
        tool = ["kafka.tools.StorageTool", "format", "-t", _NODE, "-c", str(properties)]
        subprocess.run([*java, *tool], check=True, capture_output=True, env=os.environ)
        command = [*java, "kafka.Kafka", str(properties)]
        super().__init__(command, folder / "kafka.log", ready=self._answers)

    def _answers(self) -> bool:
        client = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        try:
            return bool(client.list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    def read(
        self,
        topics: list[str],
        enough: Callable[[list[Message]], bool],
        seconds: float = 30.0,
    ) -> list[Message]:
        """Messages from the beginning, until they are ``enough`` or time is up."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.address,
                "group.id": "test",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "topic.metadata.refresh.interval.ms": 500,
                "log_level": 0,
            }
        )
        consumer.subscribe(topics)
        found: list[Message] = []
        deadline = time.monotonic() + seconds
        try:
            while not enough(found) and time.monotonic() < deadline:
                message = consumer.poll(0.2)
                if message is not None and message.error() is None:
                    found.append(message)
        finally:
            consumer.close()
        return found
