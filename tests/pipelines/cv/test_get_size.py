from tests.pipelines.cv.conftest import noise


def test_width_and_height(make) -> None:
    made = make("cv.get_size", {"url": noise(20, 30)})
    assert (made.answer, list(made.images)) == ({"size": [30, 20]}, [])
