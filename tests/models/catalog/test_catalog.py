from pathlib import Path

import pytest

from models import catalog
from models.catalog.catalog import Catalog, MisfitError, UnknownModelError
from models.catalog.entry import CatalogError
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from models.kinds.lora import LORA
from models.kinds.textual_inversion import TEXTUAL_INVERSION
from models.kinds.upscaler import UPSCALER


def put(folder: Path, *lines: str) -> Path:
    (folder / "models.yaml").write_text("models:\n" + "".join(f"  - {line}\n" for line in lines))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        (tmp_path / name / "unet").mkdir(parents=True)
        (tmp_path / name / "model_index.json").write_text("{}")
        (tmp_path / name / "unet" / "x.safetensors").write_bytes(b"1234")
    (tmp_path / "three.safetensors").write_bytes(b"123456")
    return tmp_path


@pytest.fixture
def three(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "three.safetensors"
    elsewhere.write_bytes(b"123456")
    return catalog.read(
        put(
            folder,
            "{name: one, path: one, family: sd1, aliases: [v1.5, general]}",
            "{name: two, path: two, family: sdxl, default: true, title: The second}",
            f"{{name: three, path: {elsewhere}, family: sd1, clip_skip: 1}}",
        )
    )


def test_names_aliases_and_the_default(three: Catalog) -> None:
    assert three.find("one") is three.find("general")
    assert three.find("").name == "two"
    assert [(entry.name, entry.bytes) for entry in three] == [("one", 4), ("two", 4), ("three", 6)]


def test_the_model_that_paints_masked_areas(folder: Path) -> None:
    one = "{name: one, path: one, family: sd1, aliases: [v1.5], inpainting: painter, default: true}"
    two = "{name: two, path: two, family: sd1, aliases: [painter]}"
    models = catalog.read(put(folder, one, two))
    for name in ("one", "v1.5", "", "two", "painter"):
        assert models.find(ModelRef(CHECKPOINT, name, inpainting=True)).name == "two"
    with pytest.raises(UnknownModelError, match="no model 'three'"):
        models.find(ModelRef(CHECKPOINT, "three", inpainting=True))
    with pytest.raises(CatalogError, match="one has `inpainting: painter`, but no model"):
        catalog.read(put(folder, one))


def test_without_a_mark_the_first_is_the_default(folder: Path) -> None:
    first = "{name: one, path: one, family: sd1}"
    assert catalog.read(put(folder, first, "{name: two, path: two, family: sd1}")).find("").name == "one"


def test_an_unknown_name_is_answered_with_the_likeliest_first(three: Catalog) -> None:
    with pytest.raises(UnknownModelError, match="no model 'threee'; there are: three, one, two"):
        three.find("threee")


@pytest.mark.parametrize("name", ["../one", "/etc/passwd", "One", "one/", "a" * 100_000])
def test_paths_are_no_names(three: Catalog, name: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        three.find(name)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{name: ../x, path: one, family: sd1}", "name: string should match"),
        ("{name: x, path: one, family: flux}", "family: there is no such family; there are: annotator, "),
        ("{name: x, path: one}", "family: field required"),
        ("{name: x, path: one, family: sd1, colour: red}", "colour: extra inputs are not permitted"),
        ("{name: x, path: none, family: sd1}", "none does not exist; put the model there"),
        ("{name: x, path: ../x, family: sd1}", "leads out of the models folder"),
        ("{name: x, path: out, family: sd1}", "leads out of the models folder"),
        ("{name: x, path: x.ckpt, family: sd1}", "is a pickle.*convert it to safetensors"),
        ("{name: x, path: X.CKPT, family: sd1}", "is a pickle.*convert it to safetensors"),
        ("{name: x, path: sly.safetensors, family: sd1}", "is a pickle"),
        ("{name: x, path: one/unet, family: sd1}", r"has no model_index\.json"),
        ("{name: x, path: notes.txt, family: sd1}", "is not a model file"),
        ("{name: x, path: three.safetensors, family: sd2}", "add `prediction: v_prediction`"),
        (
            "{name: x, path: one, family: upscaler}",
            r"is a folder; give one \.safetensors file",
        ),
        ("{name: x, path: three.safetensors, family: matting}", r"is not a model file; give a \.onnx file"),
        ("{name: x, path: one, family: matting}", r"is a folder; give one \.onnx file"),
        ("{name: x, path: one, family: captioner}", r"not a folder with a config\.json and \.safetensors weights"),
        ("{name: x, path: three.safetensors, family: safety}", r"not a folder with a config\.json"),
        (
            "{name: x, path: three.safetensors, family: lora, for: esr}",
            "for: there is no such family; there are: sd1, sd2",
        ),
        ("{name: x, path: one, family: decoder}", "reads the latents of one family.*`for: sd1`"),
        ("{name: x, path: three.safetensors, family: decoder, for: sd1}", r"not a folder with a config\.json"),
        ("just a word", "input should be a valid dictionary"),
    ],
)
def test_a_wrong_entry_is_named_in_one_line(folder: Path, line: str, complaint: str) -> None:
    (folder / "out").symlink_to("/")
    (folder / "notes.txt").touch()
    for pickle in ("x.ckpt", "X.CKPT", "x.pt"):
        (folder / pickle).touch()
    (folder / "sly.safetensors").symlink_to("x.pt")
    with pytest.raises(CatalogError, match=complaint) as caught:
        catalog.read(put(folder, line))
    assert "\n" not in str(caught.value)
    assert "models.yaml" in str(caught.value)


def test_names_are_given_once(folder: Path) -> None:
    lines = ["{name: one, path: one, family: sd1}", "{name: two, path: two, family: sd1, aliases: [one]}"]
    with pytest.raises(CatalogError, match="two models are called 'one'"):
        catalog.read(put(folder, *lines))


def test_one_default_only(folder: Path) -> None:
    lines = [f"{{name: {name}, path: {name}, family: sd1, default: true}}" for name in ("one", "two")]
    with pytest.raises(CatalogError, match="one and two are both"):
        catalog.read(put(folder, *lines))


ESRGAN = "{name: esr, path: three.safetensors, family: upscaler}"


def test_the_default_is_one_that_paints(folder: Path) -> None:
    read = catalog.read(put(folder, ESRGAN, "{name: one, path: one, family: sd1}"))
    assert (read.find("").name, read.find("esr").family) == ("one", "upscaler")


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([ESRGAN], "models.yaml lists no checkpoint; add one of family sd1, sd2, sdxl"),
        (["{name: one, path: one, family: sd1}", ESRGAN.replace("}", ", default: true}")], "esr is `default: true`"),
    ],
)
def test_a_default_that_does_not_paint_is_refused(folder: Path, lines: list[str], complaint: str) -> None:
    with pytest.raises(CatalogError, match=complaint):
        catalog.read(put(folder, *lines))


@pytest.mark.parametrize("content", ["", "models: 3", "models: []", "[]", "models: {"])
def test_a_broken_file_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "models.yaml").write_text(content)
    with pytest.raises(CatalogError, match=r"models\.yaml") as caught:
        catalog.read(tmp_path)
    assert "\n" not in str(caught.value)


def test_no_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"python -m models\.toy"):
        catalog.read(tmp_path)


def test_loras_are_found_as_such_alone(folder: Path) -> None:
    models = catalog.read(
        put(
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
    with pytest.raises(MisfitError, match="lora 'ink' is for models of family sd1, but 'two' is of family sdxl"):
        models.refuse_misfits([ModelRef(CHECKPOINT, "two"), oil, ink])


def test_without_a_lora_the_message_says_where_to_list_one(folder: Path) -> None:
    models = catalog.read(put(folder, "{name: one, path: one, family: sd1}"))
    with pytest.raises(UnknownModelError, match=r"ask the operator to add one of family lora to models\.yaml"):
        models.find(ModelRef(LORA, "ink"))


def test_embeddings_are_those_for_the_model_that_paints(folder: Path) -> None:
    models = catalog.read(
        put(
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
