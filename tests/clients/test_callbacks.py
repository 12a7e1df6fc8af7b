import json
import time

import pytest
from hua_client import BadCallbackError, verify_callback
from standardwebhooks.webhooks import Webhook

from server.egress.webhook_signature import format_secret, sign, tenant_secret

SECRET = tenant_secret(b"server", "one")
IMAGE = {
    "url": "http://hua/files/1/0.png",
    "width": 8,
    "height": 8,
    "format": "png",
    "expires_at": "2026-11-30T00:00:00Z",
}
TASK = {
    "id": "1",
    "type": "txt2img.sd",
    "status": "succeeded",
    "created_at": "2026-11-29T00:00:00Z",
    "images": [IMAGE],
    "params": {"text": "画"},
}
BODY = json.dumps(TASK, ensure_ascii=False).encode()


def test_callback_of_the_server_is_a_task():
    headers = sign(SECRET, "1", int(time.time()), BODY)
    task = verify_callback({name.title(): value for name, value in headers.items()}, BODY, format_secret(SECRET))
    assert (task.id, task.status, task.image.url, task.params) == ("1", "succeeded", IMAGE["url"], {"text": "画"})
    assert Webhook(format_secret(SECRET)).verify(BODY.decode(), headers)["id"] == "1"


def test_one_signature_of_several_is_enough():
    headers = sign(SECRET, "1", int(time.time()), BODY)
    headers["webhook-signature"] = "v1,AAAA v1a,xyz " + headers["webhook-signature"]
    assert verify_callback(headers, BODY, format_secret(SECRET)).ended


@pytest.mark.parametrize("tries", ["body", "secret", "id", "old", "early", "time", "missing", "not ascii"])
def test_other_callbacks_are_refused(tries):
    now = int(time.time())
    headers = sign(SECRET, "1", now + {"old": -301, "early": 305}.get(tries, 0), BODY)
    body, secret = BODY, SECRET
    match tries:
        case "body":
            body = BODY + b" "
        case "secret":
            secret = tenant_secret(b"server", "two")
        case "id":
            headers["webhook-id"] = "2"
        case "time":
            headers["webhook-timestamp"] = "soon"
        case "missing":
            del headers["webhook-signature"]
        case "not ascii":
            headers["webhook-signature"] = "v1,画"
    with pytest.raises(BadCallbackError):
        verify_callback(headers, body, format_secret(secret))


def test_secret_of_another_form_is_named():
    headers = sign(SECRET, "1", int(time.time()), BODY)
    with pytest.raises(ValueError, match="whsec_"):
        verify_callback(headers, BODY, "my secret")
