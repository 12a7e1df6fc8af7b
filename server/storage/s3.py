"""The bucket on S3: its address, its credentials, a check at the start, and advice for each of its errors.

Requests and links are signed with Signature Version 4. Features that some stores lack are not used: no conditional
writes, no multipart uploads, and no checksums except the SHA-256 of the request and MD5 where S3 requires it.
"""

from __future__ import annotations

import logging
import re
import ssl
import uuid
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from server.settings import Settings, SettingsError
from server.storage.bucket import Bucket, FindOutcome, find_no_outcome, short_reason
from server.storage.bucket_keys import CHECKS

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config, S3Credential

log = logging.getLogger(__name__)
_LOCATION = re.compile(r"s3://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<prefix>(/[A-Za-z0-9._~=+@,-]+)*/?)")

CONNECT_TIMEOUT = timedelta(seconds=3)
RETRY: RetryConfig = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=5),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
}
"""Short, because the callers try again themselves, and log what they wait for."""
CREDENTIALS_LIFETIME = timedelta(minutes=5)

ADVICE = {
    "169.254.169.254": "there is no access key: set HUA_S3_ACCESS_KEY and HUA_S3_SECRET_KEY, or HUA_S3_CREDENTIALS_DIR",
    "NoSuchBucket": "create this bucket, or name another one in HUA_BUCKET=s3://BUCKET/PREFIX",
    "InvalidAccessKeyId": "check HUA_S3_ACCESS_KEY",
    "SignatureDoesNotMatch": "check HUA_S3_SECRET_KEY; if it is right, a proxy changes the Host header",
    "AccessDenied": "allow this key s3:ListBucket on the bucket, s3:GetObject, s3:PutObject and s3:DeleteObject in it",
    "AuthorizationHeaderMalformed": "set HUA_S3_REGION to the region of the bucket",
    "AuthorizationQueryParametersError": "set HUA_S3_REGION to the region of the bucket",
    "PermanentRedirect": "set HUA_S3_REGION and HUA_S3_ENDPOINT to those of the bucket",
    "RequestTimeTooSkewed": "set this machine's clock",
    "ExpiredToken": "set a new HUA_S3_SESSION_TOKEN, or use HUA_S3_CREDENTIALS_DIR, which is read again",
    "InvalidToken": "set a new HUA_S3_SESSION_TOKEN, or use HUA_S3_CREDENTIALS_DIR, which is read again",
    "SecondLevelDomainForbidden": "set HUA_S3_ADDRESSING=virtual",
    "PathStyleDomainForbidden": "set HUA_S3_ADDRESSING=virtual",
    "403 Forbidden": "check HUA_S3_ACCESS_KEY and HUA_S3_SECRET_KEY, and the permissions of this key",
    "501 Not Implemented": "set HUA_S3_BULK_DELETE=false if the store does not support bulk deletion (POST ?delete)",
    "status code: 4": "check the bucket's name, HUA_S3_ACCESS_KEY, HUA_S3_REGION and HUA_S3_ADDRESSING",
    "InvalidCertificate": "set HUA_S3_CA to the certificate authority that signed its certificate",
}


def open_bucket(settings: Settings, find_outcome: FindOutcome = find_no_outcome) -> Bucket:
    """Opens the bucket. Raises SettingsError for wrong settings; only logs a warning if the store cannot be reached."""
    store = _store(settings, settings.s3_endpoint)
    _check(store, settings)
    if not settings.s3_public_endpoint:
        return Bucket(store, find_outcome=find_outcome)
    origin = _address(settings, settings.s3_public_endpoint)._replace(path="").geturl()
    return Bucket(store, _store(settings, settings.s3_public_endpoint), origin, find_outcome)


def _bucket_and_prefix(settings: Settings) -> tuple[str, str]:
    """The name of the bucket, and the prefix of all our keys."""
    match = _LOCATION.fullmatch(settings.bucket)
    if match is None or {".", ".."} & set(settings.bucket.split("/")):
        raise SettingsError(
            f"HUA_BUCKET={settings.bucket} is not an S3 location; write s3://BUCKET or s3://BUCKET/PREFIX, "
            "of letters, digits and . _ -"
        )
    return match["bucket"], (match["prefix"] or "").strip("/")


def _address(settings: Settings, endpoint: str) -> SplitResult:
    """The address of the bucket at an endpoint. With virtual addressing, its name is a part of the host."""
    parts = urlsplit(endpoint.rstrip("/"))
    if settings.s3_addressing != "virtual":
        return parts
    if _is_ip(parts.hostname or ""):
        raise SettingsError(
            f"HUA_S3_ADDRESSING=virtual needs a host name, not {endpoint}; set it to path, or use a host name"
        )
    name, _ = _bucket_and_prefix(settings)
    return parts._replace(netloc=f"{name}.{parts.netloc}")


def _store(settings: Settings, endpoint: str) -> S3Store:
    name, prefix = _bucket_and_prefix(settings)
    virtual = settings.s3_addressing == "virtual" or (settings.s3_addressing == "auto" and not endpoint)
    config: S3Config = {
        "region": settings.s3_region,
        "virtual_hosted_style_request": virtual,
        "disable_bulk_delete": not settings.s3_bulk_delete,
        **_credentials(settings),
    }
    if endpoint:
        config["aws_endpoint_url_s3"] = _address(settings, endpoint).geturl()
    folder = settings.s3_credentials_dir
    if folder is not None:
        read_credentials(folder)
    return S3Store(
        name,
        prefix=prefix or None,
        config=config,
        client_options=_client(settings),
        retry_config=RETRY,
        credential_provider=(lambda: read_credentials(folder)) if folder else None,
    )


def _is_ip(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def _credentials(settings: Settings) -> S3Config:
    """The keys of the settings. Without them, the library uses AWS_* variables or the role of the machine or pod."""
    if not settings.s3_access_key:
        return {}
    if not settings.s3_secret_key:
        raise SettingsError("HUA_S3_ACCESS_KEY is set but HUA_S3_SECRET_KEY is not; set both or neither")
    keys: S3Config = {"access_key_id": settings.s3_access_key, "secret_access_key": settings.s3_secret_key}
    return {**keys, "session_token": settings.s3_session_token} if settings.s3_session_token else keys


def read_credentials(folder: Path) -> S3Credential:
    """The keys in the files of a folder. They are read again every few minutes, so keys may change at run time."""
    try:
        token = folder / "session_token"
        return {
            "access_key_id": (folder / "access_key").read_text().strip(),
            "secret_access_key": (folder / "secret_key").read_text().strip(),
            "token": token.read_text().strip() if token.exists() else None,
            "expires_at": datetime.now(UTC) + CREDENTIALS_LIFETIME,
        }
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise SettingsError(
            f"HUA_S3_CREDENTIALS_DIR={folder} must hold the files access_key and secret_key ({reason})"
        ) from error


def _client(settings: Settings) -> ClientConfig:
    client: ClientConfig = {
        "allow_http": True,
        "allow_invalid_certificates": not settings.s3_verify_tls,
        "connect_timeout": CONNECT_TIMEOUT,
        "timeout": timedelta(seconds=settings.s3_timeout_s),
    }
    if settings.s3_ca is not None:
        try:
            client["root_certificate"] = settings.s3_ca.read_bytes()
            ssl.create_default_context(cafile=settings.s3_ca)
        except ssl.SSLError as error:
            raise SettingsError(f"HUA_S3_CA={settings.s3_ca} is not a PEM file with certificates") from error
        except OSError as error:
            raise SettingsError(f"HUA_S3_CA={settings.s3_ca} cannot be read ({error.strerror})") from error
    return client


def _check(store: S3Store, settings: Settings) -> None:
    """Tries each kind of request that is used later. Raises SettingsError for an error that ADVICE knows."""
    key = f"{CHECKS}/{uuid.uuid4().hex}"
    try:
        obstore.put(store, key, b"write check", use_multipart=False)
        obstore.get(store, key)
        next(obstore.list(store, CHECKS, chunk_size=1), None)
        obstore.delete(store, [key])
    except (BaseError, OSError) as error:
        text = str(error)
        where = f"HUA_BUCKET={settings.bucket} cannot be used ({short_reason(error)})"
        for word, advice in ADVICE.items():
            if word in text:
                raise SettingsError(f"{where}; {advice}") from error
        log.warning(
            "%s; check that S3 runs at HUA_S3_ENDPOINT; requests are tried again",
            where,
        )
