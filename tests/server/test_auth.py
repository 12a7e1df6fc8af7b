import base64

import pytest

from server.auth import ANONYMOUS, Keys, UnauthorizedError, new_key
from server.settings import SettingsError


def basic(user: str, key: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()


@pytest.fixture
def two_tenants() -> tuple[Keys, str, str]:
    (red, red_setting), (blue, blue_setting) = new_key("red"), new_key("blue")
    return Keys([red_setting, blue_setting]), red, blue


def test_without_keys_everyone_is_anonymous():
    assert Keys([]).tenant(None) == Keys([]).tenant("Bearer whatever") == ANONYMOUS


def test_a_key_names_its_tenant(two_tenants):
    keys, red, blue = two_tenants
    assert keys.tenant(f"Bearer {red}") == "red"
    assert keys.tenant(f"bearer {blue}") == "blue"


def test_basic_takes_any_app_key_with_the_key_as_secret(two_tenants):
    keys, red, _ = two_tenants
    assert keys.tenant(basic("my-app", red)) == "red"
    assert keys.tenant(basic("red", red)) == "red"
    assert keys.tenant(basic("", red)) == "red"


def test_basic_with_another_tenants_name_is_refused(two_tenants):
    keys, red, _ = two_tenants
    with pytest.raises(UnauthorizedError):
        keys.tenant(basic("blue", red))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer hua_wrong",
        "Basic",
        "Basic !!!",
        "Basic /w==",
        "Digest x",
        basic("red", ""),
    ],
)
def test_anything_else_is_refused(two_tenants, header):
    with pytest.raises(UnauthorizedError, match="key"):
        two_tenants[0].tenant(header)


def test_a_key_without_a_colon_in_basic_is_refused(two_tenants):
    keys, red, _ = two_tenants
    with pytest.raises(UnauthorizedError):
        keys.tenant("Basic " + base64.b64encode(red.encode()).decode())


def test_one_tenant_may_have_two_keys():
    (old, old_setting), (new, new_setting) = new_key("red"), new_key("red")
    keys = Keys([old_setting, new_setting])
    assert keys.tenant(f"Bearer {old}") == keys.tenant(f"Bearer {new}") == "red"


def test_a_setting_never_holds_the_key():
    key, setting = new_key("red")
    assert key not in setting
    assert new_key("red")[0] != key


@pytest.mark.parametrize("setting", ["red", "red:abc", ":" + "0" * 64, "Red:" + "0" * 64, "../x:" + "0" * 64])
def test_a_wrong_setting_is_named(setting):
    with pytest.raises(SettingsError, match=r"HUA_API_KEYS.*hua keys new"):
        Keys([setting])


@pytest.mark.parametrize("tenant", ["", "Red", "a/b", "a" * 65, "甲"])
def test_a_wrong_tenant_gets_no_key(tenant):
    with pytest.raises(SettingsError, match="tenant"):
        new_key(tenant)
