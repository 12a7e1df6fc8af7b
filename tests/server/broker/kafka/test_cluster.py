"""Parsing of HUA_BROKER, and Kafka with authentication."""

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType

from server.broker import BrokerUnavailableError
from server.broker.kafka.broker import KafkaBroker
from server.broker.kafka.cluster import Cluster
from server.commands.preflight.kafka import check_kafka
from server.settings import Settings, SettingsError
from tests.support.kafka_server import PASSWORD

SHORT_S = 2.0
QUOTED = "p%40ss%2Fword"
RIGHTS = (
    (ResourceType.TOPIC, "CREATE"),
    (ResourceType.TOPIC, "READ"),
    (ResourceType.TOPIC, "WRITE"),
    (ResourceType.TOPIC, "DESCRIBE"),
    (ResourceType.GROUP, "READ"),
)
"""The rights that a user needs on all names with the prefix, from docs/roles.md."""


def test_address_is_parsed_with_all_options() -> None:
    cluster = Cluster.at("kafka://a:9092,b:9093/acme.?partitions=48&replication=3")
    assert cluster.servers == ("a:9092", "b:9093")
    assert (cluster.tasks, cluster.outcomes, cluster.group) == ("acme.tasks", "acme.outcomes", "acme.controller")
    assert (cluster.partitions, cluster.replication) == (48, 3)
    assert cluster.options["security_protocol"] == "PLAINTEXT"


def test_address_without_options_has_defaults() -> None:
    cluster = Cluster.at("kafka://localhost:9092")
    assert (cluster.tasks, cluster.partitions, cluster.replication) == ("hua.tasks", 12, -1)


def test_login_with_and_without_tls() -> None:
    plain = Cluster.at(f"kafka://hua:{QUOTED}@a:9092/?sasl=PLAIN").options
    assert (plain["security_protocol"], plain["sasl_mechanism"]) == ("SASL_PLAINTEXT", "PLAIN")
    assert (plain["sasl_plain_username"], plain["sasl_plain_password"]) == ("hua", PASSWORD)
    secret = Cluster.at(f"kafkas://hua:{QUOTED}@a:9092").options
    assert (secret["security_protocol"], secret["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert secret["ssl_context"].check_hostname


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("kafka://", "it names no server"),
        ("kafka://a:9092/?partition=3", "partition is not one of partitions, replication"),
        ("kafka://a:9092/?partitions=many", "many"),
        ("kafka://a:9092/?partitions=0", "partitions=0"),
        ("kafka://a:9092/two/parts", "two/parts"),
        ("kafka://a:9092/?ca=ca.pem", "kafkas://"),
        ("kafka://a:9092/?sasl=PLAIN", "needs USER:PASSWORD@"),
        ("kafka://hua:secret@a:9092/?sasl=GSSAPI", "not one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
        ("kafkas://a:9092/?ca=nowhere.pem", "ca=nowhere.pem cannot be used (No such file"),
        (f"kafkas://a:9092/?ca={__file__}", "cannot be used"),
        ("kafka://a:many", "many"),
        ("kafka://a:99999", "Port out of range"),
        ("kafka://[::1", "is not USER:PASSWORD@HOST:PORT"),
        ("kafka://hua:secret@a℀:9092", "is not USER:PASSWORD@HOST:PORT"),
    ],
)
def test_wrong_address_is_reported_without_its_password(url, says) -> None:
    with pytest.raises(SettingsError) as caught:
        Cluster.at(url)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.fixture(scope="module")
def guarded(own_kafka):
    """A Kafka with authentication: user `hua` has the rights that it needs, `guest` has none."""
    admin = KafkaAdminClient(bootstrap_servers=own_kafka.address)
    admin.create_acls(
        [
            ACL(
                principal="User:hua",
                host="*",
                operation=ACLOperation[right],
                permission_type=ACLPermissionType.ALLOW,
                resource_pattern=ResourcePattern(kind, "acme.", ACLResourcePatternType.PREFIXED),
            )
            for kind, right in RIGHTS
        ]
    )
    admin.close()
    return own_kafka


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_rights_of_the_docs_are_enough(guarded, make_task, mechanism) -> None:
    url = f"kafka://hua:{QUOTED}@127.0.0.1:{guarded.sasl_port}/acme.{mechanism}.?sasl={mechanism}&partitions=1"
    broker, task = KafkaBroker(url), make_task()
    await broker.publish_task(task)
    await broker.check()
    log = broker.tasks()
    position, read = await anext(log)
    assert read == task
    await broker.commit_tasks(position)
    await log.aclose()
    await broker.close()


async def test_tls_with_a_ca_and_a_client_certificate(guarded, make_task) -> None:
    ours = f"cert={guarded.folder}/cert.pem&key={guarded.folder}/key.pem"
    address, task = f"kafkas://127.0.0.1:{guarded.tls_port}/tls.?partitions=1", make_task()
    broker = KafkaBroker(f"{address}&ca={guarded.folder}/cert.pem&{ours}")
    await broker.publish_task(task)
    log = broker.tasks()
    assert (await anext(log))[1] == task
    await log.aclose()
    await broker.close()
    for lacking in (f"ca={guarded.folder}/cert.pem", ours):
        stranger = KafkaBroker(f"{address}&{lacking}", SHORT_S / 2)
        with pytest.raises(BrokerUnavailableError, match="the certificates that Kafka expects"):
            await stranger.publish_task(task)
        await stranger.close()


@pytest.mark.parametrize(
    ("user", "prefix", "says"),
    [
        (
            f"guest:{QUOTED}",
            "acme.",
            r"acme\.tasks does not exist, or this user.*rights that docs/roles\.md",
        ),
        (
            f"hua:{QUOTED}",
            "other.",
            r"other\.tasks does not exist, or this user.*rights that docs/roles\.md",
        ),
        ("hua:wrong", "acme.", "has the user, the password and the certificates that Kafka expects"),
    ],
)
async def test_missing_rights_are_named(guarded, make_task, user, prefix, says) -> None:
    broker = KafkaBroker(f"kafka://{user}@127.0.0.1:{guarded.sasl_port}/{prefix}?sasl=PLAIN", SHORT_S)
    for refused in (broker.publish_task(make_task()), anext(broker.outcomes())):
        with pytest.raises(BrokerUnavailableError, match=says):
            await refused
    await broker.close()


def found(url: str) -> dict[str, tuple[str, str]]:
    """The findings of `hua preflight`."""
    return {finding.check: (finding.result, finding.message) for finding in check_kafka(Settings(broker=url))}


async def test_preflight_reports_topics_and_rights(guarded, make_task) -> None:
    address = f"127.0.0.1:{guarded.sasl_port}/acme.pre.?sasl=PLAIN&partitions=2"
    fresh = found(f"kafka://hua:{QUOTED}@{address}")
    assert fresh["topic acme.pre.tasks"] == ("ok", "it does not exist yet; it is created when first needed")
    broker = KafkaBroker(f"kafka://hua:{QUOTED}@{address}")
    await broker.publish_task(make_task())
    await broker.close()
    created = found(f"kafka://hua:{QUOTED}@{address}")
    unreadable = "2 partitions, replication 1; its configuration may not be read"
    assert created["topic acme.pre.tasks"] == ("warn", unreadable)
    admin_view = found(f"kafka://{guarded.address}/acme.pre.?partitions=2")
    assert admin_view["topic acme.pre.tasks"] == ("warn", "2 partitions, replication 1, min.insync.replicas 1")
    assert created["kafka reading"] == ("ok", "group acme.pre.controller: 1 records of tasks are not settled")
    assert created["kafka brokers"][0] == "warn"
    guest = found(f"kafka://guest:{QUOTED}@{address}")
    assert guest["topic acme.pre.tasks"][0] == "fail"
    wrong = found(f"kafka://hua:wr0ng@{address}")
    assert wrong["kafka"][0] == "fail"
    assert "wr0ng" not in str(wrong)
