import re
import time

import pytest

from server.storage.signed_links import BadSignatureError, LinkExpiredError, Links

LINKS = Links(b"secret", "https://hua.example/api")
TASK = "0" * 32


def parts(url: str) -> tuple[int, str]:
    found = re.search(r"expires=(\d+)&signature=([0-9a-f]+)$", url)
    assert found
    return int(found[1]), found[2]


def test_image_link_is_valid_until_it_expires():
    url = LINKS.image(TASK, 0, "png", time.time() + 60)
    assert url.startswith(f"https://hua.example/api/files/{TASK}/0.png?")
    LINKS.check_image(TASK, 0, "png", *parts(url))


def test_links_to_one_image_are_equal():
    expires_at = time.time() + 60
    assert LINKS.image(TASK, 0, "png", expires_at) == LINKS.image(TASK, 0, "png", expires_at)


@pytest.mark.parametrize(
    ("task", "index", "extension", "later"),
    [("1" * 32, 0, "png", 0), (TASK, 1, "png", 0), (TASK, 0, "webp", 0), (TASK, 0, "png", 1)],
)
def test_changed_link_is_refused(task, index, extension, later):
    expires, signature = parts(LINKS.image(TASK, 0, "png", time.time() + 60))
    with pytest.raises(BadSignatureError):
        LINKS.check_image(task, index, extension, expires + later, signature)


def test_link_of_another_secret_is_refused():
    url = Links(b"other", "").image(TASK, 0, "png", time.time() + 60)
    with pytest.raises(BadSignatureError):
        LINKS.check_image(TASK, 0, "png", *parts(url))


def test_non_ascii_signature_is_refused():
    with pytest.raises(BadSignatureError):
        LINKS.check_image(TASK, 0, "png", int(time.time()) + 60, "签")


def test_old_link_is_expired():
    url = LINKS.image(TASK, 0, "png", time.time() - 1)
    with pytest.raises(LinkExpiredError, match="expired"):
        LINKS.check_image(TASK, 0, "png", *parts(url))


def test_link_expires_by_the_shared_clock():
    """I18: the clock of this machine has no effect."""
    now = [1000.0]
    links = Links(b"secret", "", clock=lambda: now[0])
    image = (TASK, 0, "png", *parts(links.image(TASK, 0, "png", 1060)))
    links.check_image(*image)
    now[0] = 1060.0
    with pytest.raises(LinkExpiredError):
        links.check_image(*image)
