import pytest
from pydantic import ValidationError

from server.task import RETENTION_S, Callback, Failure, Image, Manifest, Outcome, Output, Status, Task


def make_outcome() -> Outcome:
    task = Task(
        id="1" * 32,
        type="txt2img.sd",
        params={"text": "画 😀", "w": 512, "nested": [1.5]},
        tenant="t",
        created_at=1_700_000_000.123456,
        priority="low",
        retention="7d",
        output=Output(format="webp", quality=80, metadata=False),
        callback=Callback(url="http://example.com", dialect="nolibox"),
        models=("toy-sd1",),
        cost=1 / 3,
        fingerprint="f",
    )
    image = Image(key="k", width=8, height=16, bytes=1, sha256="s", seed=2**63)
    return Outcome(
        task=task,
        attempt="a",
        status=Status.FAILED,
        images=(image,),
        failure=Failure(code="c", message="m"),
        started_at=0.1,
        finished_at=0.1 + 0.2,
        timings={"run": 1e-9},
    )


def test_manifest_survives_json_unchanged() -> None:
    """Settlement compares outcomes by equality, so JSON must not lose or round anything."""
    manifest = Manifest(outcome=make_outcome(), expires_at=1 / 7)
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest
    assert manifest.task == manifest.outcome.task


def test_unknown_fields_of_newer_versions_are_ignored() -> None:
    record = make_outcome().model_dump(mode="json") | {"added_later": {"x": 1}}
    assert Outcome.model_validate(record) == make_outcome()


def test_records_are_frozen() -> None:
    with pytest.raises(ValidationError):
        make_outcome().status = Status.SUCCEEDED  # type: ignore[misc]


def test_final_statuses() -> None:
    assert {status for status in Status if not status.final} == {Status.QUEUED, Status.RUNNING}


def test_retentions_in_seconds() -> None:
    assert RETENTION_S == {"5m": 5 * 60, "24h": 24 * 3600, "7d": 7 * 24 * 3600, "30d": 30 * 24 * 3600}
