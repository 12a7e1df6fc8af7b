from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from server.egress.webhook_signature import format_secret, sign, tenant_secret


def test_sign_matches_the_vector_of_the_specification():
    """The worked example of the Standard Webhooks reference libraries."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_tenant_secrets_differ():
    one, two = tenant_secret(b"server", "one"), tenant_secret(b"server", "two")
    assert one != two
    assert one == tenant_secret(b"server", "one")
    assert one != tenant_secret(b"another server", "one")
    assert len(one) >= 24


def test_receivers_library_verifies_a_signature():
    secret, body = tenant_secret(b"server", "one"), '{"id": "task", "text": "锦鲤"}'
    headers = sign(secret, "task", int(time.time()), body.encode())
    receiver = Webhook(format_secret(secret))
    assert receiver.verify(body, headers)["id"] == "task"
    with pytest.raises(WebhookVerificationError):
        receiver.verify(body.replace("task", "other"), headers)
