from pathlib import Path

import pytest

from models import catalog
from models.catalog.catalog import MAX_LISTED, Catalog, MisfitError, UnknownModelError
from models.catalog.entry import CatalogError
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.controlnet import CONTROLNET
from models.kinds.kind import ModelRef
from models.kinds.lora import LORA
from models.kinds.matting import MATTING
from models.kinds.textual_inversion import TEXTUAL_INVERSION
from models.kinds.upscaler import UPSCALER
from tests.support.models_yaml import write_entries


@pytest.fixture
def three(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "three.safetensors"
    elsewhere.write_bytes(b"123456")
    return catalog.read(
        write_entries(
            folder,
            "{name: one, path: one, family: sd1, aliases: [v1.5, general]}",
            "{name: two, path: two, family: sdxl, default: true, title: The second}",
            f"{{name: three, path: {elsewhere}, family: sd1, clip_skip: 1}}",
        )
    )


def test_find_by_name_alias_and_default(three: Catalog) -> None:
    assert three.find("one") is three.find("general") is three.find("ONE ")
    assert three.find("").name == "two"
    assert [(entry.name, entry.bytes) for entry in three] == [("one", 4), ("two", 4), ("three", 6)]


def test_find_the_checkpoint_for_inpainting(folder: Path) -> None:
    one = "{name: one, path: one, family: sd1, aliases: [v1.5], inpainting: inpainter, default: true}"
    two = "{name: two, path: two, family: sd1, aliases: [inpainter]}"
    models = catalog.read(write_entries(folder, one, two))
    for name in ("one", "v1.5", "", "two", "inpainter"):
        assert models.find(ModelRef(CHECKPOINT, name, inpainting=True)).name == "two"
    with pytest.raises(UnknownModelError, match="no model 'four'"):
        models.find(ModelRef(CHECKPOINT, "four", inpainting=True))
    alone = catalog.read(write_entries(folder, one))
    assert alone.find(ModelRef(CHECKPOINT, "one", inpainting=True)).name == "one"
    assert "one has `inpainting: inpainter`, but no model" in alone.problems[0].message


def test_first_checkpoint_is_the_default_unless_marked(folder: Path) -> None:
    first = "{name: one, path: one, family: sd1}"
    assert catalog.read(write_entries(folder, first, "{name: two, path: two, family: sd1}")).find("").name == "one"


def test_unknown_name_lists_the_most_similar_first(three: Catalog) -> None:
    with pytest.raises(UnknownModelError, match="no model 'threee'; there are: three, one, two"):
        three.find("threee")


def test_unknown_name_lists_models_of_the_kind_that_is_needed(folder: Path) -> None:
    models = catalog.read(write_entries(folder, ESRGAN, "{name: one, path: one, family: sd1}"))
    with pytest.raises(UnknownModelError, match=r"no model 'zzz'; there are: one$"):
        models.find(ModelRef(CHECKPOINT, "zzz"))
    many = (f"{{name: n{number}, path: one, family: sd1}}" for number in range(MAX_LISTED + 2))
    with pytest.raises(UnknownModelError, match=r"n0, .* and 2 more, which GET /v1/models lists$"):
        catalog.read(write_entries(folder, *many)).find(ModelRef(CHECKPOINT, "zzz"))


@pytest.mark.parametrize("name", ["../one", "/etc/passwd", "one/", "a" * 100_000])
def test_paths_are_refused_as_names(three: Catalog, name: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        three.find(name)
    assert len(str(caught.value)) < 200


def test_duplicate_names_mean_the_first_model_and_are_reported(folder: Path) -> None:
    lines = ["{name: one, path: one, family: sd1}", "{name: two, path: two, family: sd1, aliases: [one, second]}"]
    models = catalog.read(write_entries(folder, *lines, "{name: ONE, path: three.safetensors, family: sd1}"))
    third = f"ONE ({folder.name})"
    assert [(entry.name, entry.aliases) for entry in models] == [("one", ()), ("two", ("second",)), (third, ())]
    assert [models.find(name).name for name in ("one", "second", third)] == ["one", "two", third]
    assert [problem.message.partition(";")[0] for problem in models.problems] == [
        "two models are called 'one'",
        "two models are called 'ONE'",
    ]
    assert all(problem.names == () for problem in models.problems)


def test_second_default_is_refused(folder: Path) -> None:
    lines = [f"{{name: {name}, path: {name}, family: sd1, default: true}}" for name in ("one", "two")]
    models = catalog.read(write_entries(folder, *lines))
    assert (models.default.name, models.problems[0].message) == (
        "one",
        "one and two are both `default: true`; keep one",
    )


ESRGAN = "{name: esr, path: three.safetensors, family: upscaler}"


def test_default_is_a_checkpoint(folder: Path) -> None:
    read = catalog.read(write_entries(folder, ESRGAN, "{name: one, path: one, family: sd1}"))
    assert (read.find("").name, read.find("esr").family) == ("one", "upscaler")


def test_default_of_another_kind_is_refused(folder: Path) -> None:
    models = catalog.read(
        write_entries(folder, "{name: one, path: one, family: sd1}", ESRGAN.replace("}", ", default: true}"))
    )
    assert models.default.name == "one"
    assert models.problems[0].message.startswith("esr is `default: true`, but a model of family upscaler")


def test_folder_without_checkpoint_has_no_default(folder: Path) -> None:
    models = catalog.read(write_entries(folder, ESRGAN))
    with pytest.raises(UnknownModelError, match="there is no checkpoint yet"):
        models.find("")


@pytest.mark.parametrize("content", ["", "models: 3", "[]", "models: {"])
def test_broken_file_is_reported_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "models.yaml").write_text(content)
    with pytest.raises(CatalogError, match=r"models\.yaml") as caught:
        catalog.read(tmp_path)
    assert "\n" not in str(caught.value)


def test_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="is not a folder; create it"):
        catalog.read(tmp_path / "none")


def test_loras_are_found_only_as_loras(folder: Path) -> None:
    models = catalog.read(
        write_entries(
            folder,
            "{name: one, path: one, family: sd1}",
            "{name: two, path: two, family: sdxl}",
            "{name: ink, path: three.safetensors, family: lora, for: sd1, aliases: [ink-drawing]}",
            "{name: oil, path: three.safetensors, family: lora}",
        )
    )
    ink, oil = ModelRef(LORA, "ink"), ModelRef(LORA, "oil")
    assert models.find(ink) is models.find(ModelRef(LORA, "ink-drawing")) is models.find("ink")
    for name in ("one", "pencil", ""):
        with pytest.raises(UnknownModelError, match=r"no LoRA.*; there are: ink, oil"):
            models.find(ModelRef(LORA, name))
    models.refuse_misfits([ModelRef(CHECKPOINT, "one"), ink, oil])
    models.refuse_misfits([ModelRef(CHECKPOINT, "two"), oil])
    models.refuse_misfits([])
    with pytest.raises(
        MisfitError, match=r"lora 'ink' is for models of family sd1, but 'two' is of family sdxl; .*these fit: oil"
    ):
        models.refuse_misfits([ModelRef(CHECKPOINT, "two"), oil, ink])


def test_missing_kind_says_where_to_list_one(folder: Path) -> None:
    models = catalog.read(write_entries(folder, "{name: one, path: one, family: sd1}"))
    with pytest.raises(UnknownModelError, match=r"ask the operator to add one of family lora to models\.yaml"):
        models.find(ModelRef(LORA, "ink"))
    with pytest.raises(UnknownModelError, match=r"no matting model; ask the operator to add one of family matting"):
        models.find(ModelRef(MATTING, "matting"))


def test_default_checkpoint_is_the_base_of_models_that_follow_it(folder: Path) -> None:
    """Whatever its name: callers who name no model get it, and what fits it."""
    canny = "{name: edges, path: three.safetensors, family: controlnet, for: sd1, hint: canny}"
    models = catalog.read(write_entries(folder, "{name: one, path: one, family: sd1}", canny))
    for base in ("v1.5", "one", ""):
        assert models.find(ModelRef(CONTROLNET, "canny", base=base)).name == "edges"
    with pytest.raises(UnknownModelError, match=r"no model 'v1\.6'"):
        models.find(ModelRef(CONTROLNET, "canny", base="v1.6"))


def test_embeddings_fit_the_checkpoint(folder: Path) -> None:
    models = catalog.read(
        write_entries(
            folder,
            "{name: one, path: one, family: sd1}",
            "{name: two, path: two, family: sdxl}",
            "{name: esr, path: three.safetensors, family: upscaler}",
            "{name: easynegative, path: three.safetensors, family: embedding, for: sd1, negative: true}",
            "{name: other, path: three.safetensors, family: embedding}",
        )
    )
    assert [entry.name for entry in models.embeddings([ModelRef(CHECKPOINT, "one")])] == ["easynegative", "other"]
    assert [entry.name for entry in models.embeddings([ModelRef(UPSCALER, "esr"), ModelRef(CHECKPOINT, "two")])] == [
        "other"
    ]
    assert models.embeddings([ModelRef(UPSCALER, "esr")]) == ()
    assert models.find(ModelRef(TEXTUAL_INVERSION, "other")).name == "other"
    with pytest.raises(UnknownModelError, match="no embedding 'one'"):
        models.find(ModelRef(TEXTUAL_INVERSION, "one"))


def test_names_of_the_api_mean_the_default_of_their_kind(folder: Path) -> None:
    """Unless a model has the name."""
    models = catalog.read(write_entries(folder, "{name: one, path: one, family: sd1}", ESRGAN.replace("esr", "x4")))
    assert models.find(ModelRef(CHECKPOINT, "v1.5")).name == "one"
    assert models.find(ModelRef(UPSCALER, "esr_anime")).name == "x4"
    with pytest.raises(UnknownModelError):
        models.find(ModelRef(CHECKPOINT, "v1.6"))
    named = catalog.read(
        write_entries(folder, "{name: one, path: one, family: sd1}", "{name: v1.5, path: two, family: sd1}")
    )
    assert named.find(ModelRef(CHECKPOINT, "v1.5")).name == "v1.5"
