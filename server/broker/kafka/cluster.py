"""The address of Kafka and its options, and what its errors mean for the operator."""

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

PREFIX, PARTITIONS, CLUSTER_DEFAULT = "hua.", 12, -1
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
OPTIONS = ("partitions", "replication", "sasl", "ca", "cert", "key")
FORM = "kafka://[USER:PASSWORD@]HOST:PORT,HOST:PORT/PREFIX?partitions=12&replication=3&sasl=SCRAM-SHA-512"
TIMEOUT_S = 5.0
CONNECT_FRACTION, DELIVERY_FRACTION, REQUEST_FRACTION = 0.8, 0.9, 0.6
"""Fractions of the timeout: to connect, to have a record acknowledged, to have one request answered."""

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
    (Exception, "check that Kafka runs and that HUA_BROKER is its address"),
)
LOGIN_ADVICE = ", and that it has the user, the password and the certificates that Kafka expects"
"""Added if a login is set, because Kafka does not say why it refuses a connection."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What HUA_BROKER says."""

    servers: tuple[str, ...]
    prefix: str
    """The beginning of the names of topics and of the controllers' group."""
    partitions: int
    replication: int
    security: Mapping[str, Any]
    timeout_s: float = TIMEOUT_S
    """Seconds until Kafka counts as unavailable."""

    @classmethod
    def at(cls, url: str, timeout_s: float = TIMEOUT_S) -> Cluster:
        """Reads `kafka://…`, or `kafkas://…` for TLS; raises SettingsError."""
        try:
            parts = urlsplit(url)
        except ValueError:  # its text may have the password
            raise SettingsError(
                f"HUA_BROKER: what follows :// is not USER:PASSWORD@HOST:PORT, in ASCII, with %-escapes; use {FORM}"
            ) from None
        url_options = dict(parse_qsl(parts.query))
        servers = tuple(server for server in parts.netloc.rpartition("@")[2].split(",") if server)
        try:
            for server in servers:
                if not urlsplit(f"//{server}").hostname or urlsplit(f"//{server}").port == 0:
                    raise ValueError(f"{server} is not HOST:PORT")
            if not servers:
                raise ValueError("it names no server")
            if unknown := sorted(set(url_options) - set(OPTIONS)):
                raise ValueError(f"{unknown[0]} is not one of {', '.join(OPTIONS)}")
            prefix, partitions = parts.path.lstrip("/") or PREFIX, int(url_options.get("partitions", PARTITIONS))
            if not re.fullmatch(r"[A-Za-z0-9._-]{1,200}", prefix):
                raise ValueError(f"topics cannot begin with {prefix}")
            if partitions < 1:
                raise ValueError(f"partitions={partitions} is too few")
            return cls(
                servers=servers,
                prefix=prefix,
                partitions=partitions,
                replication=int(url_options.get("replication", CLUSTER_DEFAULT)),
                security=_security(parts, url_options),
                timeout_s=timeout_s,
            )
        except (ValueError, OSError) as error:
            raise SettingsError(
                f"HUA_BROKER={without_password(parts)} is not an address of Kafka: {error}; use {FORM}"
            ) from error

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
        """Options for every client of kafka-python."""
        return {
            "bootstrap_servers": list(self.servers),
            "bootstrap_timeout_ms": self.ms(CONNECT_FRACTION),
            "request_timeout_ms": self.ms(REQUEST_FRACTION),
            "reconnect_backoff_max_ms": 1000,
            **self.security,
        }

    def ms(self, fraction: float) -> int:
        """A fraction of the timeout, in milliseconds."""
        return int(self.timeout_s * fraction * 1000)

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Turns every error of Kafka into BrokerUnavailableError."""
        try:
            yield
        except (KafkaError, OSError) as error:
            raise self.unavailable(error) from error
        metrics.BROKER.answered()

    def unavailable(self, error: BaseException | str) -> BrokerUnavailableError:
        metrics.BROKER.failed()
        advice = next(advice for kind, advice in ADVICE if isinstance(error, kind) or kind is Exception)
        if isinstance(error, KafkaTimeoutError | str) and self.security["security_protocol"] != "PLAINTEXT":
            advice += LOGIN_ADVICE
        reason = str(error) or type(error).__name__
        return BrokerUnavailableError(
            f"the logs in Kafka at {','.join(self.servers)} cannot be used now ({reason}); {advice}, then try again"
        )


def without_password(parts: SplitResult) -> str:
    """The address without its password."""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _security(parts: SplitResult, url_options: Mapping[str, str]) -> dict[str, Any]:
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    tls = parts.scheme == "kafkas"
    options: dict[str, Any] = {"security_protocol": f"{'SASL_' if user else ''}{'SSL' if tls else 'PLAINTEXT'}"}
    if tls:
        options["ssl_context"] = _tls(url_options)
    elif {"ca", "cert", "key"} & set(url_options):
        raise ValueError("ca, cert and key are for TLS, which is kafkas://")
    if user:
        mechanism = url_options.get("sasl", "SCRAM-SHA-512")
        if mechanism not in MECHANISMS:
            raise ValueError(f"sasl={mechanism} is not one of {', '.join(MECHANISMS)}")
        options |= {
            "sasl_mechanism": mechanism,
            "sasl_plain_username": unquote(user),
            "sasl_plain_password": unquote(password),
        }
    elif "sasl" in url_options:
        raise ValueError("sasl= needs USER:PASSWORD@")
    return options


def _tls(url_options: Mapping[str, str]) -> ssl.SSLContext:
    """Raises ValueError for a file that cannot be read, or has no certificate or key."""
    try:
        context = ssl.create_default_context(cafile=url_options.get("ca"))
        if "cert" in url_options:
            context.load_cert_chain(url_options["cert"], url_options.get("key"))
    except OSError as error:
        files = ", ".join(f"{name}={url_options[name]}" for name in ("ca", "cert", "key") if name in url_options)
        raise ValueError(f"{files} cannot be used ({error.strerror or error})") from error
    return context
