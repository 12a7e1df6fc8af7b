import pytest

import pipelines
from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from server.api.dialects.nolibox.substitutes import VERSIONS, round_size, use_installed_model

TXT2IMG = pipelines.find("txt2img.sd")


@pytest.fixture
def catalog(tmp_path) -> Catalog:
    return Catalog([ModelEntry(name="mine", path=tmp_path, family="sd1", default=True)])


@pytest.mark.parametrize("version", sorted(VERSIONS))
def test_checkpoint_of_that_api_is_the_default_if_it_is_missing(catalog, version):
    params, [note] = use_installed_model({"model": version, "is_anime": True}, TXT2IMG, catalog, None)
    assert params == {"model": "", "is_anime": False}
    assert version in note


def test_any_model_that_was_sent_as_model_is_the_default_if_it_is_missing(catalog):
    assert use_installed_model({"model": "nobody"}, TXT2IMG, catalog, "nobody")[0]["model"] == ""
    assert use_installed_model({"model": "nobody"}, TXT2IMG, catalog, "")[0]["model"] == "nobody"
    assert use_installed_model({"model": "MINE"}, TXT2IMG, catalog, "MINE") == ({"model": "MINE"}, [])


def test_request_without_a_model_runs_where_nothing_is_called_v1_5(catalog):
    params, notes = use_installed_model({"text": "x"}, TXT2IMG, catalog, None)
    assert (params["model"], notes) == ("", [])


def test_is_anime_keeps_the_model_that_was_sent(catalog):
    params, [note] = use_installed_model({"model": "mine", "is_anime": True}, TXT2IMG, catalog, "mine")
    assert params == {"model": "mine", "is_anime": False}
    assert "is_anime" in note


@pytest.mark.parametrize(
    ("task", "name"),
    [("control.canny", "base_model"), ("control.canny", "model"), ("img2img.inpainting", "version")],
)
def test_each_name_of_the_checkpoint_is_read(catalog, task, name):
    params, notes = use_installed_model({name: "dreamlike_v1"}, pipelines.find(task), catalog, None)
    assert params[name] == ""
    assert notes


@pytest.mark.parametrize("task", ["img2img.sr", "img2img.sod", "cv.blur"])
def test_models_that_are_no_checkpoint_stay(catalog, task):
    assert use_installed_model({"model": "other"}, pipelines.find(task), catalog, "other") == ({"model": "other"}, [])


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(515, 512), ("515", 512), (515.0, 512), (700, 704), (545, 576), (10, 64), (56, 64)],
)
def test_side_is_rounded_to_the_grid(sent, expected):
    params, [note] = round_size({"w": sent, "h": 512}, TXT2IMG)
    assert params == {"w": expected, "h": 512}
    assert str(expected) in note


@pytest.mark.parametrize("side", [64, 520, 1024, 0, -3, "wide", 1.5, float("nan"), float("inf"), None, [515]])
def test_side_that_fits_or_is_no_size_stays(side):
    assert round_size({"w": side}, TXT2IMG) == ({"w": side}, [])


def test_sizes_of_pictures_that_are_not_generated_stay():
    assert round_size({"w": 515, "h": 333}, pipelines.find("cv.resize")) == ({"w": 515, "h": 333}, [])
