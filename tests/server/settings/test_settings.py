from pathlib import Path

import pytest

from server.settings import Settings, SettingsError
from server.worker.device_process import torch_environment


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUA_DATA_DIR", str(tmp_path))


def test_defaults_serve_loopback_without_keys(tmp_path: Path) -> None:
    settings = Settings.load()
    assert (settings.host, settings.port, settings.retention) == ("127.0.0.1", 8000, "24h")
    assert settings.models_path == tmp_path / "models"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HUA_PORT", "eighty", "HUA_PORT"),
        ("HUA_PORT", "0", "greater than or equal to 1"),
        ("HUA_RETENTION", "2h", "'5m', '24h', '7d' or '30d'"),
        ("HUA_DEVICE", "gpu", "HUA_DEVICE"),
        ("HUA_MAX_UPLOAD", "much", "HUA_MAX_UPLOAD"),
        ("HUA_EGRESS_ALLOW", "10.0.0.0/33", "HUA_EGRESS_ALLOW"),
        ("HUA_CORS", "https://app.example/", "'https://app.example/' is not an origin"),
        ("HUA_CORS", "*", "'*' is not an origin"),
        ("HUA_EGRESS_PROXY", "proxy:3128", "it is not a proxy's address; write http://HOST:PORT"),
        ("HUA_EGRESS_PROXY", "http://proxy:many", "write http://HOST:PORT"),
        ("HUA_EGRESS_PROXY", "http://[::1]x", "write http://HOST:PORT"),
        ("HUA_TRACES", "http://", "write http://HOST:4318"),
        ("HUA_TRACES", "http://[::1", "write http://HOST:4318"),
        ("HUA_PUBLIC_URL", "hua.example", "HUA_PUBLIC_URL is 'hua.example': it is not an address; write https://HOST"),
        ("HUA_PUBLIC_URL", "http://[::1", "it is not an address"),
        ("HUA_S3_ENDPOINT", "127.0.0.1:9000", "write https://HOST or http://HOST:PORT"),
        ("HUA_S3_PUBLIC_ENDPOINT", "http://s3:many", "write https://HOST or http://HOST:PORT"),
        ("HUA_CANCEL_ON_HANG_UP", "a1111,nolibox", "'nolibox' is no dialect that waits; there are a1111"),
        ("HUA_PROT", "8000", "did you mean HUA_PORT?"),
    ],
)
def test_wrong_setting_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "hua.example"])
def test_listening_beyond_loopback_requires_keys(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("HUA_HOST", host)
    with pytest.raises(SettingsError, match="HUA_API_KEYS"):
        Settings.load()
    monkeypatch.setenv("HUA_ALLOW_ANONYMOUS", "true")
    assert Settings.load().host == host


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "::1"])
def test_loopback_needs_no_keys(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("HUA_HOST", host)
    assert Settings.load().loopback


def test_keys_allow_any_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUA_HOST", "0.0.0.0")
    monkeypatch.setenv("HUA_API_KEYS", f"acme:{'0' * 64}")
    assert Settings.load().api_keys == (f"acme:{'0' * 64}",)


def test_tenants_file_allows_any_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUA_HOST", "0.0.0.0")
    monkeypatch.setenv("HUA_TENANTS", "tenants.yaml")
    assert Settings.load().tenants == Path("tenants.yaml")


def test_lists_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUA_EGRESS_ALLOW", "10.0.0.0/8, .corp.example ,")
    assert Settings.load().egress_allow == ("10.0.0.0/8", ".corp.example")


def test_secret_is_created_once_and_kept_private(tmp_path: Path) -> None:
    secret = Settings.load().secret_bytes
    assert len(secret) == 64
    assert Settings.load().secret_bytes == secret
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("data", [b"", b" \n"])
def test_empty_secret_is_refused(tmp_path: Path, data: bytes) -> None:
    """Everybody could sign with it."""
    (tmp_path / "secret").write_bytes(data)
    with pytest.raises(SettingsError, match="secret is empty; delete the file"):
        _ = Settings.load().secret_bytes


def test_unreadable_secret_is_reported(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    with pytest.raises(SettingsError, match=r"secret cannot be read or created \(Is a directory\).*or set HUA_SECRET"):
        _ = Settings.load().secret_bytes


def test_set_secret_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUA_SECRET", "mine")
    assert Settings.load().secret_bytes == b"mine"


def test_docs_have_the_table_of_settings() -> None:
    page = Path(__file__).parents[3] / "docs" / "settings.md"
    assert Settings.table() in page.read_text(), "docs/settings.md is out of date: paste what `hua settings` prints"


def test_device_environment_has_the_audit() -> None:
    environment = torch_environment(Settings(audit="checker", audit_all=True))
    assert (environment["HUA_AUDIT"], environment["HUA_AUDIT_ALL"]) == ("checker", "true")
    assert torch_environment(Settings())["HUA_AUDIT"] == ""


def test_device_environment_has_the_compile_folder() -> None:
    environment = torch_environment(Settings(compile=Path("/srv/compiled")))
    assert environment["HUA_COMPILE"] == "/srv/compiled"
    assert torch_environment(Settings())["HUA_COMPILE"] == ""
    assert Settings().compile is None


def test_logins_may_be_set_apart_from_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUA_BROKER", "kafkas://a:9093,b:9093/hua.?ca=x@y")
    monkeypatch.setenv("HUA_BROKER_USER", "hua")
    monkeypatch.setenv("HUA_BROKER_PASSWORD", "p@ss/w:rd")
    monkeypatch.setenv("HUA_QUEUE", "redis://c:6379/0")
    monkeypatch.setenv("HUA_QUEUE_PASSWORD", "ü")
    settings = Settings.load()
    assert settings.broker == "kafkas://hua:p%40ss%2Fw%3Ard@a:9093,b:9093/hua.?ca=x@y"
    assert settings.queue == "redis://:%C3%BC@c:6379/0"


@pytest.mark.parametrize(
    ("broker", "says"),
    [("kafka://u:hidden@a:9092", "already has a user or a password"), ("sqlite://", "takes no login")],
)
def test_login_without_use_is_refused(monkeypatch: pytest.MonkeyPatch, broker: str, says: str) -> None:
    monkeypatch.setenv("HUA_BROKER", broker)
    monkeypatch.setenv("HUA_BROKER_PASSWORD", "hush")
    with pytest.raises(SettingsError, match=says) as caught:
        Settings.load()
    assert "hush" not in str(caught.value)
    assert "hidden" not in str(caught.value)
