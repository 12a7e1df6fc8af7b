from tests.support.pictures import random_pixels


def test_answer_is_width_and_height(run_task) -> None:
    result = run_task("cv.get_size", {"url": random_pixels(20, 30)})
    assert (result.answer, list(result.images)) == ({"size": [30, 20]}, [])
