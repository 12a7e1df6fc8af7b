import pytest

from models.atomic_write import replacing


def test_replacing_shows_the_old_content_until_the_block_ends(tmp_path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    with replacing(file) as draft:
        draft.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_replacing_leaves_the_file_alone_if_the_block_raises(tmp_path) -> None:
    file = tmp_path / "file"
    file.write_text("old")

    def fail() -> None:
        with replacing(file) as draft:
            draft.write_text("half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_replacing_creates_a_new_file_with_the_rights_of_its_draft(tmp_path) -> None:
    with replacing(tmp_path / "secret") as draft:
        draft.touch(mode=0o600)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
