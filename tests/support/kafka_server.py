"""A real Kafka of one node on loopback ports, for tests. It is fetched from Maven Central at the first use."""

from __future__ import annotations

import base64
import shutil
import signal
import socket
import subprocess
import uuid
from pathlib import Path

from tests.support.tools import TOOLS, build_lock, free_ports, installed, suspend, until_it_answers

VERSION = "4.1.1"
JARS = TOOLS / f"kafka-{VERSION}"
START_S = 90
HEAP = ["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>hua</groupId><artifactId>test-kafka</artifactId><version>1</version>
<dependencies><dependency>
<groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
</dependency></dependencies></project>
"""
PROPERTIES = """
process.roles=broker,controller
node.id=1
advertised.listeners=OPEN://127.0.0.1:{port},SASL://127.0.0.1:{sasl_port},TLS://127.0.0.1:{tls_port},FAR://127.0.0.1:{far_port}
listeners=OPEN://127.0.0.1:{port},SASL://127.0.0.1:{sasl_port},TLS://127.0.0.1:{tls_port},FAR://127.0.0.1:{near_port},CONTROLLER://127.0.0.1:{controller_port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,OPEN:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,FAR:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=OPEN
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=200
auto.create.topics.enable=false
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:CN=hua
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
  user_hua="{password}" user_guest="{password}";
listener.name.sasl.scram-sha-512.sasl.jaas.config=\
  org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.tls.ssl.client.auth=required
listener.name.tls.ssl.keystore.type=PEM
listener.name.tls.ssl.keystore.location={folder}/both.pem
listener.name.tls.ssl.truststore.type=PEM
listener.name.tls.ssl.truststore.location={folder}/cert.pem
"""
CERTIFICATE = (
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=hua "
    "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"
)
PASSWORD = "p@ss/word"


class KafkaServer:
    """Keeps its logs when it is killed and started again.

    `sasl_port` takes the users `hua` and `guest` by PLAIN, and `hua` also by SCRAM-SHA-512; both need ACLs.
    `tls_port` takes the client certificate cert.pem and key.pem of `folder`, and presents the same one.
    `near_port` advertises `far_port`, so that a proxy can stand between.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.sasl_port, self.tls_port, self.near_port, self.far_port, controller_port = free_ports(6)
        self.address = f"127.0.0.1:{self.port}"
        self._properties = folder / "server.properties"
        ports = {"port": self.port, "sasl_port": self.sasl_port, "tls_port": self.tls_port}
        ports |= {"near_port": self.near_port, "far_port": self.far_port}
        texts = {"folder": folder, "password": PASSWORD, "controller_port": controller_port}
        self._properties.write_text(PROPERTIES.format(**texts, **ports))
        subprocess.run(
            [installed("openssl", "openssl"), *CERTIFICATE.split()], cwd=folder, check=True, capture_output=True
        )
        (folder / "both.pem").write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
        node = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        user = f"SCRAM-SHA-512=[name=hua,password={PASSWORD}]"
        words = ["format", "--standalone", f"--cluster-id={node}", "-c", str(self._properties), "--add-scram", user]
        subprocess.run(_java("kafka.tools.StorageTool", *words), check=True, capture_output=True)

    def start(self) -> None:
        with (self.folder / "log").open("a") as lines:
            command = _java("kafka.Kafka", str(self._properties))
            self._process = subprocess.Popen(command, stdout=lines, stderr=lines)
        until_it_answers("Kafka", self._process, self._answers, START_S, self.folder / "log")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """It keeps its connections, and does not answer."""
        suspend(self._process)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False


def _java(main: str, *words: str) -> list[str]:
    return [installed("java", "default-jre-headless"), *HEAP, "-cp", f"{_jars()}/*", main, *words]


def _jars() -> Path:
    """Fetched into a draft folder first, so that a killed process leaves nothing incomplete."""
    if JARS.exists():  # without the lock, which another process may hold for another build
        return JARS
    mvn = installed("mvn", "maven")
    with build_lock():
        if not JARS.exists():
            _fetch_jars(mvn)
    return JARS


def _fetch_jars(mvn: str) -> None:
    draft = JARS.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    (draft / "pom.xml").write_text(POM)
    words = ["-q", "-B", "-f", str(draft / "pom.xml"), "dependency:copy-dependencies", "-DincludeScope=runtime"]
    done = subprocess.run([mvn, *words, f"-DoutputDirectory={draft}"], capture_output=True)
    assert done.returncode == 0, (
        f"Kafka {VERSION} cannot be fetched from Maven Central; put its jars into {JARS}, or name a running Kafka "
        f"in HUA_TEST_KAFKA=host:port, then test again: {done.stdout.decode()[-500:]}"
    )
    draft.rename(JARS)
