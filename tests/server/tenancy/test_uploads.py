import resource

import pytest

from server.storage.bucket import Bucket, BucketUnavailableError
from server.storage.bucket_keys import upload_key
from server.tenancy.uploads import COUNT_EVERY_S, FileTotal, UploadLimitError
from tests.support.clock import Clock
from tests.support.uploads import uploads_in


@pytest.fixture
def bucket(tmp_path) -> Bucket:
    return Bucket.folder(tmp_path)


async def test_files_are_counted_by_tenant(bucket):
    uploads = uploads_in(bucket)
    await uploads.put("red", {"file-1": b"123", "file-2": b"4567"})
    assert await uploads.total("red") == FileTotal(2, 7)
    assert await uploads.total("blue") == await uploads.total("re") == FileTotal(0, 0)
    assert await uploads.get("red", "file-2") == b"4567"


@pytest.mark.parametrize("limits", [{"upload_count": 2}, {"upload_bytes": 6}])
async def test_file_above_a_limit_is_refused(bucket, limits):
    uploads = uploads_in(bucket, **limits)
    await uploads.put("red", {"file-1": b"123", "file-2": b"456"})
    with pytest.raises(UploadLimitError, match="2 image files with 6 bytes are stored"):
        await uploads.put("red", {"file-3": b"7"})
    assert await uploads.get("red", "file-3") is None
    await uploads.put("blue", {"file-3": b"7"})


async def test_files_are_stored_all_or_none(bucket):
    uploads = uploads_in(bucket, upload_count=2)
    with pytest.raises(UploadLimitError):
        await uploads.put("red", {f"file-{index}": b"1" for index in range(3)})
    assert await uploads.total("red") == FileTotal(0, 0)
    assert await bucket.keys("uploads") == []


async def test_file_that_could_not_be_written_needs_no_room(bucket):
    uploads, (soft, hard) = uploads_in(bucket, upload_count=1), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2, hard))
    try:
        with pytest.raises(BucketUnavailableError):
            await uploads.put("red", {"file-1": b"123"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await uploads.put("red", {"file-2": b"123"})


async def test_file_that_is_stored_already_needs_no_room(bucket):
    uploads = uploads_in(bucket, upload_count=1)
    for _ in range(3):
        await uploads.put("red", {"file-1": b"123"})
    assert await uploads.total("red") == FileTotal(1, 3)


async def test_limit_is_that_of_the_bucket_after_a_restart(bucket):
    await uploads_in(bucket, upload_count=1).put("red", {"file-1": b"123"})
    with pytest.raises(UploadLimitError):
        await uploads_in(bucket, upload_count=1).put("red", {"file-2": b"456"})


async def test_bucket_is_counted_again_after_a_minute(bucket):
    clock = Clock()
    uploads = uploads_in(bucket, clock, upload_count=1)
    await uploads.put("red", {"file-1": b"123"})
    await bucket.delete([upload_key("red", "file-1")])
    with pytest.raises(UploadLimitError):
        await uploads.put("red", {"file-2": b"456"})
    clock.pass_by(COUNT_EVERY_S)
    await uploads.put("red", {"file-2": b"456"})
