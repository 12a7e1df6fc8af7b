"""The bucket on S3, under a whole Hua: the picture is nowhere on this machine but there."""

import hashlib
from contextlib import closing

import httpx

from tests.house.conftest import House


def test_a_picture_is_fetched_through_its_link_though_s3_was_away_meanwhile(own_s3, tmp_path, models_dir, sink) -> None:
    settings = own_s3.settings | {"bucket": f"s3://{own_s3.bucket}/our/place", "s3_timeout_s": 2}
    environment = {f"HUA_{name.upper()}": str(value) for name, value in settings.items()}
    public = {"HUA_S3_PUBLIC_ENDPOINT": own_s3.endpoint}
    with closing(House(tmp_path / "data", models_dir, **environment, **public)) as house:
        house.start()
        own_s3.stop()
        body = {
            "type": "txt2img.sd",
            "params": {"w": 64, "h": 64, "num_steps": 2, "text": "a house"},
            "callback_url": sink.url,
        }
        reply = house.http.post("/v1/tasks", json=body)
        assert reply.status_code == 202, reply.text
        task_id = reply.json()["id"]
        house.until(lambda: "waits: the bucket would not write" in (tmp_path / "house.log").read_text(), 30)
        own_s3.start()
        image = house.ended(task_id)["images"][0]
        redirect = house.http.get(image["url"])
        assert redirect.status_code == 307
        picture = httpx.get(redirect.headers["location"], trust_env=False)
        assert hashlib.sha256(picture.content).hexdigest() == image["sha256"]
        assert picture.headers["content-type"] == "image/png"
        house.until(lambda: sink.received, 30)
    assert not (tmp_path / "data" / "bucket").exists()
