import pytest


@pytest.mark.parametrize(
    ("params", "box"),
    [
        ({}, [10, 20, 30, 60]),
        ({"padding": 5}, [5, 15, 35, 65]),
        ({"padding": 15, "w": 40, "h": 64}, [0, 5, 40, 64]),
        ({"to_square": True}, [0, 20, 40, 60]),
        ({"to_square": True, "padding": 4, "w": 100, "h": 100}, [0, 16, 48, 64]),
        ({"to_square": True, "w": 30, "h": 100}, [0, 20, 30, 60]),
    ],
)
def test_box_is_widened_within_the_picture(run_task, params: dict[str, object], box: list[int]) -> None:
    assert run_task("cv.modify_box", lt_rb=[10, 20, 30, 60], **params).answer == {"boxes": [box]}
