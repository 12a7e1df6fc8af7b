"""Deaths are counted against the steps that a process had marked, for a day and for one software."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.worker.step_deaths import step_deaths
from server.worker.step_deaths.step_deaths import COUNTED_S, StepDeaths


def die(deaths: StepDeaths, *names: str) -> None:
    deaths.folder.mkdir(parents=True, exist_ok=True)
    deaths.marks.write_text("\n".join(names))
    deaths.count()


def test_second_death_makes_a_step_avoided(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    deaths = StepDeaths.of_device(tmp_path, "cuda:1")
    die(deaths, "a", "b")
    assert deaths.avoided == frozenset()
    die(deaths, "a")
    assert StepDeaths.of_device(tmp_path, "cuda:1").avoided == {"a"}
    assert StepDeaths.of_device(tmp_path, "cuda:0").avoided == frozenset()
    assert caplog.text.count("has ended 2 device processes") == 1


def test_death_outside_steps_counts_against_none(tmp_path: Path) -> None:
    deaths = StepDeaths(tmp_path)
    die(deaths, "a")
    deaths.count()  # marks count once
    die(deaths)
    assert deaths.avoided == frozenset()


def test_deaths_count_for_a_day(tmp_path: Path) -> None:
    now = [0.0]
    deaths = StepDeaths(tmp_path, lambda: now[0])
    die(deaths, "a")
    now[0] += COUNTED_S / 2
    die(deaths, "a")
    assert deaths.avoided == {"a"}
    now[0] += COUNTED_S * 0.6
    assert deaths.avoided == frozenset()


def test_deaths_of_another_driver_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deaths, driver = StepDeaths(tmp_path), tmp_path / "driver"
    monkeypatch.setattr(step_deaths, "DRIVER", driver)
    driver.write_text("NVRM version: 610.43")
    die(deaths, "a")
    die(deaths, "a")
    assert deaths.avoided == {"a"}
    driver.write_text("NVRM version: 615.10")
    assert deaths.avoided == frozenset()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"software": 1}', '{"deaths": {"a": [1, 2]}}'])
def test_unreadable_file_counts_nothing(tmp_path: Path, content: str) -> None:
    deaths = StepDeaths(tmp_path)
    die(deaths, "a")
    (tmp_path / "deaths.json").write_text(content)
    die(deaths, "a")
    assert deaths.avoided == frozenset()


def test_folder_that_cannot_be_written_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    deaths = StepDeaths(tmp_path)
    (tmp_path / "deaths.json").mkdir()
    die(deaths, "a")
    assert "cannot be counted" in caplog.text
