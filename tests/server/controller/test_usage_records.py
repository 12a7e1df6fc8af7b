from contextlib import closing

from server.broker.sqlite.log_file import USAGE, LogFile
from server.controller.usage_records import record_usage
from server.storage.bucket_keys import usage_key
from server.tenancy.usage import Usage, usage_of


async def test_record_usage_writes_bucket_and_log_and_may_be_repeated(
    broker, bucket, make_task, make_manifest, tmp_path
) -> None:
    manifest = make_manifest(make_task(cost=2.5))
    usage = usage_of(manifest)
    for _ in range(2):
        await record_usage(manifest, bucket, broker)
    data = await bucket.get(usage_key("2023-11-14", "t", manifest.task.id))
    assert Usage.model_validate_json(data) == usage
    with closing(LogFile(tmp_path / "logs.sqlite", 5.0)) as log:
        records = log.read(USAGE, 0, 9)
    assert [(record.key, Usage.model_validate_json(record.value)) for record in records] == [(usage.task, usage)] * 2
