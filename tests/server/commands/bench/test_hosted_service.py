from pathlib import Path

import pytest

from server.commands.bench.hosted_service import FOUR_LANES, PER_CARD, comparison, images_per_minute
from server.commands.bench.plan import Plan
from server.commands.bench.results import Figure


def figure(name: str, value: float) -> Figure:
    return Figure(name=name, title=name, unit="", value=value)


@pytest.mark.parametrize(
    ("lanes", "measured", "card", "four", "note"),
    [
        (1, {"equal.images": 0.5}, 30, 120, "computed"),
        (2, {"equal.images": 0.5, "lanes.one": 28, "lanes.all": 55}, 28, 112, "computed"),
        (4, {"equal.images": 0.5, "lanes.one": 28, "lanes.all": 110}, 28, 110, "measured"),
    ],
)
def test_images_a_minute_of_a_card_and_of_four_lanes(
    tmp_path: Path, lanes: int, measured: dict[str, float], card: float, four: float, note: str
) -> None:
    plan = Plan(out=tmp_path, models=tmp_path, lanes=lanes)
    found = {each.name: each for each in images_per_minute(plan, [figure(*each) for each in measured.items()])}
    assert (found[PER_CARD].value, found[FOUR_LANES].value) == (card, four)
    assert found[FOUR_LANES].note.startswith(note)


def test_no_images_a_minute_where_no_crowd_was_measured(tmp_path: Path) -> None:
    assert not list(images_per_minute(Plan(out=tmp_path, models=tmp_path), [figure("single.sd1.hua", 1)]))


def test_hosted_service_is_compared_in_its_own_units() -> None:
    figures = [figure("single.sd1.hua", 1.9), figure("service.whole", 1950), figure("pieces.upscale", 700)]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in comparison([*figures, figure(PER_CARD, 31.5)])]
    assert [row[1:] for row in rows[2:]] == [
        ["4–6 s", "1.95 s", "service.whole"],
        ["6–8 s", "1.95 s", "service.whole"],
        ["3–6 s", "0.7 s", "pieces.upscale"],
        ["10–15 (60 s / 4–6 s)", "31.5", PER_CARD],
        ["40–60 (4 × 60 s / 4–6 s)", "not measured", ""],
    ]
