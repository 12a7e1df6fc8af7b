import asyncio
import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from server.tenancy.auth import new_key
from server.tenancy.policy import SCOPES

WISH = {"type": "txt2img.sd", "params": {"text": "x"}}
TODAY = datetime.now(UTC).date().isoformat()


@pytest.fixture
def headers(tmp_path, overrides):
    """`headers[tenant]`: those of a key with all scopes but admin; and of "operator" with all."""
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


async def usage(client, **asked) -> list:
    """What is told once the records of tasks that have just ended are written."""
    for _ in range(200):
        reply = await client.get("/v1/usage", **asked)
        assert reply.status_code == 200
        if reply.json()["usage"]:
            break
        await asyncio.sleep(0.01)
    return reply.json()["usage"]


async def test_a_task_that_has_ended_is_told(client, painting):
    task = (await client.post("/v1/tasks", json=WISH, headers={"Prefer": "wait=10"})).json()
    (told,) = await usage(client)
    assert told == {
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


async def test_a_canceled_task_is_not_charged(client, painter):
    task_id = (await client.post("/v1/tasks", json=WISH)).json()["id"]
    await client.delete(f"/v1/tasks/{task_id}")
    (told,) = await usage(client)
    assert (told["canceled"], told["charge"]) == (1, 0.0)


async def test_a_tenant_sees_its_own_usage_and_an_admin_everybodys(headers, client, painting):
    for tenant in ("red", "blue"):
        await client.post("/v1/tasks", json=WISH, headers={**headers[tenant], "Prefer": "wait=10"})
        assert [one["tenant"] for one in await usage(client, headers=headers[tenant])] == [tenant]
    for asked in ("blue", "*", "red"):
        reply = await client.get("/v1/usage", params={"tenant": asked}, headers=headers["red"])
        assert reply.status_code == 403
        assert "admin" in reply.json()["error"]["message"]
    everybody = await usage(client, params={"tenant": "*"}, headers=headers["operator"])
    assert [one["tenant"] for one in everybody] == ["blue", "red"]
    assert [one["tenant"] for one in await usage(client, params={"tenant": "red"}, headers=headers["operator"])] == [
        "red"
    ]
    reply = await client.get("/v1/usage", headers=headers["operator"])
    assert reply.json()["usage"] == []


async def test_it_comes_as_a_table_too(client, painting):
    await client.post("/v1/tasks", json=WISH, headers={"Prefer": "wait=10"})
    (told,) = await usage(client)
    reply = await client.get("/v1/usage", headers={"Accept": "text/csv"})
    assert reply.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(reply.text))
    assert row == {name: str(value) for name, value in told.items()}


async def test_without_a_period_it_is_the_last_31_days(client):
    reply = (await client.get("/v1/usage")).json()
    assert (reply["from"], reply["to"]) == ((datetime.now(UTC).date() - timedelta(30)).isoformat(), TODAY)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"from": "2027-02-01", "to": "2027-01-01"}, "not a period"),
        ({"from": "2020-01-01", "to": "2027-01-01"}, "92 days"),
        ({"from": "yesterday"}, "from"),
        ({"tenant": "../red"}, "tenant"),
    ],
)
async def test_a_wrong_question_is_told_what_is_wrong(client, asked, says):
    reply = await client.get("/v1/usage", params=asked)
    assert reply.status_code == 422
    assert says in reply.json()["error"]["message"]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
async def test_the_ends_of_the_calendar_are_days_like_others(client, day):
    assert (await client.get("/v1/usage", params={"to": day})).json()["to"] == day
