"""A process marks its latest two kinds of steps."""

from pathlib import Path

import pytest

from server.worker.step_deaths.marks import StepMarks, read_marks


def test_latest_two_kinds_of_steps_are_marked(tmp_path: Path) -> None:
    file = tmp_path / "cuda-0" / "steps"
    marks = StepMarks(file)
    for name in ("a", "b", "b", "a", "c"):
        marks.begin(name)
    assert read_marks(file) == ["a", "c"]
    marks.clear()
    assert read_marks(file) == []
    marks.begin("a-long-name")
    assert read_marks(file) == ["a-long-name"]


def test_next_process_starts_without_marks(tmp_path: Path) -> None:
    file = tmp_path / "steps"
    StepMarks(file).begin("a")
    StepMarks(file)
    assert read_marks(file) == []
    assert read_marks(tmp_path / "none") == []


def test_marks_that_cannot_be_written_are_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    assert StepMarks.open(tmp_path / "file" / "steps") is None
    assert "will not be known" in caplog.text
