import asyncio
import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from server.tenancy.auth import new_key
from server.tenancy.policy import SCOPES

REQUEST = {"type": "txt2img.sd", "params": {"text": "x"}}
TODAY = datetime.now(UTC).date().isoformat()


@pytest.fixture
def headers(tmp_path, overrides):
    """Headers by tenant. The key of "operator" has all scopes, the others lack `admin`."""
    keys = {tenant: new_key(tenant) for tenant in ("red", "blue", "operator")}
    file = {
        tenant: {
            "keys": [{"sha256": setting.partition(":")[2], "scopes": list(SCOPES[: 4 if tenant == "operator" else 3])}]
        }
        for tenant, (_, setting) in keys.items()
    }
    overrides["tenants"] = tmp_path / "tenants.yaml"
    overrides["tenants"].write_text(yaml.safe_dump({"tenants": file}))
    return {tenant: {"Authorization": f"Bearer {key}"} for tenant, (key, _) in keys.items()}


async def usage(client, **query) -> list:
    """The usage, as soon as there is any: records are written shortly after a task has ended."""
    for _ in range(200):
        reply = await client.get("/v1/usage", **query)
        assert reply.status_code == 200
        if reply.json()["usage"]:
            break
        await asyncio.sleep(0.01)
    return reply.json()["usage"]


async def test_ended_task_appears_in_usage(client, painting):
    task = (await client.post("/v1/tasks", json=REQUEST, headers={"Prefer": "wait=10"})).json()
    (row,) = await usage(client)
    assert row == {
        "day": task["finished_at"][:10],
        "tenant": "anonymous",
        "type": "txt2img.sd",
        "succeeded": 1,
        "failed": 0,
        "canceled": 0,
        "images": 1,
        "cost": 1.0,
        "charge": 1.0,
        "device_s": pytest.approx(0.6),
    }


async def test_canceled_task_is_not_charged(client, painter):
    task_id = (await client.post("/v1/tasks", json=REQUEST)).json()["id"]
    await client.delete(f"/v1/tasks/{task_id}")
    (row,) = await usage(client)
    assert (row["canceled"], row["charge"]) == (1, 0.0)


async def test_usage_of_other_tenants_needs_the_admin_scope(headers, client, painting):
    for tenant in ("red", "blue"):
        await client.post("/v1/tasks", json=REQUEST, headers={**headers[tenant], "Prefer": "wait=10"})
        assert [row["tenant"] for row in await usage(client, headers=headers[tenant])] == [tenant]
    for other in ("blue", "*", "red"):
        reply = await client.get("/v1/usage", params={"tenant": other}, headers=headers["red"])
        assert reply.status_code == 403
        assert "admin" in reply.json()["error"]["message"]
    rows = await usage(client, params={"tenant": "*"}, headers=headers["operator"])
    assert [row["tenant"] for row in rows] == ["blue", "red"]
    assert [row["tenant"] for row in await usage(client, params={"tenant": "red"}, headers=headers["operator"])] == [
        "red"
    ]
    reply = await client.get("/v1/usage", headers=headers["operator"])
    assert reply.json()["usage"] == []


async def test_usage_as_csv(client, painting):
    await client.post("/v1/tasks", json=REQUEST, headers={"Prefer": "wait=10"})
    (expected,) = await usage(client)
    reply = await client.get("/v1/usage", headers={"Accept": "text/csv"})
    assert reply.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(reply.text))
    assert row == {name: str(value) for name, value in expected.items()}


async def test_default_period_is_the_last_31_days(client):
    reply = (await client.get("/v1/usage")).json()
    assert (reply["from"], reply["to"]) == ((datetime.now(UTC).date() - timedelta(30)).isoformat(), TODAY)


@pytest.mark.parametrize("overrides", [{"upload_count": 2, "upload_bytes": 1000}])
async def test_usage_shows_stored_images_and_their_limits(client, png):
    await client.post("/v1/files", content=png)
    expected = {"count": 1, "bytes": len(png), "max_count": 2, "max_bytes": 1000}
    assert (await client.get("/v1/usage")).json()["uploads"] == expected


async def test_usage_of_all_tenants_shows_no_stored_images(headers, client):
    reply = await client.get("/v1/usage", params={"tenant": "*"}, headers=headers["operator"])
    assert reply.json()["uploads"] is None


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"from": "2027-02-01", "to": "2027-01-01"}, "not a period"),
        ({"from": "2020-01-01", "to": "2027-01-01"}, "92 days"),
        ({"from": "yesterday"}, "from"),
        ({"tenant": "../red"}, "tenant"),
    ],
)
async def test_invalid_usage_query_is_refused(client, query, message):
    reply = await client.get("/v1/usage", params=query)
    assert reply.status_code == 422
    assert message in reply.json()["error"]["message"]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
async def test_first_and_last_day_of_the_calendar_are_valid(client, day):
    assert (await client.get("/v1/usage", params={"to": day})).json()["to"] == day
