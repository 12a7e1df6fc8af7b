"""The way to Kafka: how it is reached, and what its troubles mean to whoever has to mend them."""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from kafka.errors import (
    AuthorizationError,
    KafkaError,
    KafkaTimeoutError,
    NotEnoughReplicasAfterAppendError,
    NotEnoughReplicasError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)

from server.broker import BrokerUnavailableError
from server.observability import metrics
from server.settings import SettingsError

PREFIX, PARTITIONS, AS_THE_CLUSTER = "hua.", 12, -1
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
OPTIONS = ("partitions", "replication", "sasl", "ca", "cert", "key")
FORM = "kafka://[USER:PASSWORD@]HOST:PORT,HOST:PORT/PREFIX?partitions=12&replication=3&sasl=SCRAM-SHA-512"
PATIENCE_S = 5.0
SHARE_CONNECTING, SHARE_DELIVERING, SHARE_ANSWERING = 0.8, 0.9, 0.6
"""Of the patience: until there is a connection, until a record is acknowledged, until one request is answered."""

ADVICE: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (
        (SaslAuthenticationFailedError, UnsupportedSaslMechanismError),
        "check the user, the password and sasl= in HUA_BROKER",
    ),
    (AuthorizationError, "give this user the rights that docs/roles.md lists"),
    (
        (NotEnoughReplicasError, NotEnoughReplicasAfterAppendError),
        "bring back brokers until its topics have min.insync.replicas",
    ),
    (ssl.SSLError, "check ca=, cert= and key= in HUA_BROKER"),
    (Exception, "see that Kafka runs and that HUA_BROKER names it"),
)
GUARDED = ", and that it gives the user, the password and the certificates that Kafka knows"
"""Said where there are any: a client that is turned away when it connects does not tell why."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What HUA_BROKER says. Topics and the group of the controllers begin with `prefix`; `patience_s` is how long
    anything may take before Kafka counts as away."""

    servers: tuple[str, ...]
    prefix: str
    partitions: int
    replication: int
    security: Mapping[str, Any]
    patience_s: float = PATIENCE_S

    @classmethod
    def at(cls, url: str, patience_s: float = PATIENCE_S) -> Cluster:
        """Reads `kafka://…`, or `kafkas://…` for TLS; raises SettingsError."""
        parts = urlsplit(url)
        given = dict(parse_qsl(parts.query))
        servers = tuple(server for server in parts.netloc.rpartition("@")[2].split(",") if server)
        try:
            if not servers:
                raise ValueError("it names no server")
            if unknown := sorted(set(given) - set(OPTIONS)):
                raise ValueError(f"{unknown[0]} is none of {', '.join(OPTIONS)}")
            prefix, partitions = parts.path.lstrip("/") or PREFIX, int(given.get("partitions", PARTITIONS))
            if not re.fullmatch(r"[A-Za-z0-9._-]{1,200}", prefix):
                raise ValueError(f"topics cannot begin with {prefix}")
            if partitions < 1:
                raise ValueError(f"partitions={partitions} is too few")
            return cls(
                servers=servers,
                prefix=prefix,
                partitions=partitions,
                replication=int(given.get("replication", AS_THE_CLUSTER)),
                security=_security(parts, given),
                patience_s=patience_s,
            )
        except (ValueError, OSError) as error:
            raise SettingsError(f"HUA_BROKER={shown(parts)} is no address of Kafka: {error}; use {FORM}") from error

    @property
    def tasks(self) -> str:
        return f"{self.prefix}tasks"

    @property
    def outcomes(self) -> str:
        return f"{self.prefix}outcomes"

    @property
    def usage(self) -> str:
        return f"{self.prefix}usage"

    @property
    def poison(self) -> str:
        return f"{self.prefix}poison"

    @property
    def group(self) -> str:
        return f"{self.prefix}controller"

    @property
    def options(self) -> dict[str, Any]:
        """What every client of kafka-python is given."""
        return {
            "bootstrap_servers": list(self.servers),
            "bootstrap_timeout_ms": self.ms(SHARE_CONNECTING),
            "request_timeout_ms": self.ms(SHARE_ANSWERING),
            "reconnect_backoff_max_ms": 1000,
            **self.security,
        }

    def ms(self, share: float) -> int:
        """A share of the patience, in milliseconds."""
        return int(self.patience_s * share * 1000)

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Raises BrokerUnavailableError for any trouble with Kafka."""
        try:
            yield
        except (KafkaError, OSError) as error:
            raise self.unavailable(error) from error
        metrics.BROKER.answered()

    def unavailable(self, error: BaseException | str) -> BrokerUnavailableError:
        metrics.BROKER.failed()
        advice = next(advice for kind, advice in ADVICE if isinstance(error, kind) or kind is Exception)
        if isinstance(error, KafkaTimeoutError | str) and self.security["security_protocol"] != "PLAINTEXT":
            advice += GUARDED
        said = str(error) or type(error).__name__
        return BrokerUnavailableError(
            f"the logs in Kafka at {','.join(self.servers)} cannot be used now ({said}); {advice}, then try again"
        )


def shown(parts: SplitResult) -> str:
    """The address without its password."""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _security(parts: SplitResult, given: Mapping[str, str]) -> dict[str, Any]:
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    tls = parts.scheme == "kafkas"
    options: dict[str, Any] = {"security_protocol": f"{'SASL_' if user else ''}{'SSL' if tls else 'PLAINTEXT'}"}
    if tls:
        options["ssl_context"] = _tls(given)
    elif {"ca", "cert", "key"} & set(given):
        raise ValueError("ca, cert and key are for TLS, which is kafkas://")
    if user:
        mechanism = given.get("sasl", "SCRAM-SHA-512")
        if mechanism not in MECHANISMS:
            raise ValueError(f"sasl={mechanism} is none of {', '.join(MECHANISMS)}")
        options |= {
            "sasl_mechanism": mechanism,
            "sasl_plain_username": unquote(user),
            "sasl_plain_password": unquote(password),
        }
    elif "sasl" in given:
        raise ValueError("sasl= needs USER:PASSWORD@")
    return options


def _tls(given: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=given.get("ca"))
    if "cert" in given:
        context.load_cert_chain(given["cert"], given.get("key"))
    return context
