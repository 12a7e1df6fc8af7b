"""The requests of this API. Numbers may come as text; null and an empty text stand for "not set"."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from pipelines.params.limits import SEEDS
from pipelines.pipeline import MAX_TEXT

MIN_SIDE, MAX_SIDE, DEFAULT_SIDE = 64, 2048, 512
MAX_PIXELS = 2048 * 2048
GRID = 8
"""The sides of generated images are multiples of this many pixels."""
DEFAULT_DETAILS = 5

Side = Annotated[int, Field(ge=MIN_SIDE, le=MAX_SIDE)]
Picture = Annotated[str, Field(description="A URL, base64, or the id of an upload.")]
StyleId = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]


class Body(BaseModel):
    """A part of a request."""

    # `str_min_length=0` makes pydantic check every string for lone surrogates, as in `Params`.
    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        hide_input_in_errors=True,
        frozen=True,
        str_min_length=0,
        allow_inf_nan=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {
            name: value for name, value in values.items() if value is not None and (value != "" or name == "prompt")
        }


class NotifiedRequest(Body):
    """A request that makes a task, whose end is sent to an address."""

    callback: str = Field("", max_length=2048)
    nonce: str = Field("", max_length=32, description="Sent back in the callback.")


class ImgOptions(Body):
    remove_background: bool = Field(False, description="Cut out the main object of the result.")
    redraw_background: bool = Field(False, description="Keep the main object of the picture, and repaint the rest.")
    redraw_background_from_origin: bool = Field(True, description="The new background starts from the old one.")
    main_object_type: Literal["General", "Human"] = Field(
        "Human", description="Human: the model `matting-human`, if any."
    )
    prompt_detect: bool = Field(False, description="Add a description of the picture to the prompt.")
    gender_detect: bool = Field(False, description="Begin the prompt with 1girl or 1boy, by what the picture shows.")
    face_preservation: bool = Field(False, description="Keep the faces of the picture (IP-Adapter).")
    face_preservation_count: int = Field(1, ge=1, le=5, description="How many, the largest first.")
    img: Picture | None = Field(None, description="The picture for these options, if it is not `img` of the request.")


class ControlUnit(Body):
    """One ControlNet."""

    type: str = Field(min_length=1, max_length=128, description="A kind of control map, or the name of a ControlNet.")
    image: Picture | None = Field(None, description="Default: `controlnet.image`, else `img`.")
    control_mode: int = Field(
        0, ge=0, le=2, description="0 balanced, 1 the prompt, 2 the ControlNet is more important."
    )
    weight: float = Field(1.0, ge=0, le=2)
    control_start: float = Field(0.0, ge=0, le=1, description="The fraction of the steps after which it acts.")
    control_end: float = Field(1.0, ge=0, le=1, description="The fraction of the steps until which it acts.")
    params_a: float | None = Field(None, description="The first parameter of the preprocessor.")
    params_b: float | None = Field(None, description="The second parameter of the preprocessor.")
    preprocess: bool = Field(True, description="false: the image is a finished control map.")


class ControlNets(Body):
    image: Picture | None = None
    units: tuple[ControlUnit, ...] = Field((), max_length=3)


class DrawRequest(NotifiedRequest):
    prompt: str = Field(max_length=MAX_TEXT, examples=["one boy"])
    negative_prompt: str = Field("", max_length=MAX_TEXT)
    model_style_id: StyleId = Field(max_length=128, description="A style of the operator.", examples=[1])
    width: Side | None = None
    height: Side | None = None
    steps: int | None = Field(None, ge=1, le=50, description="Default: that of the style, else 20.")
    cfg_scale: float | None = Field(None, ge=1, le=30, description="Default: that of the style, else 7.5.")
    seed: int = Field(-1, lt=SEEDS, description="Below 0: random.")
    img: Picture | None = None
    mask_img: Picture | None = Field(None, description="Its black pixels are repainted in `img`.")
    denoising_strength: float | None = Field(None, ge=0, le=1)
    hr_scale: float = Field(1, ge=0, le=3, description="Without effect with `img`.")
    hr_steps: int = Field(20, ge=1, le=50)
    upscale: float = Field(1, ge=0, le=3)
    batch_size: int = Field(1, ge=1, le=6)
    tiling: bool = False
    face_fix: bool = Field(False, description="Repair the faces of each image.")
    details_level: int = Field(DEFAULT_DETAILS, ge=1, le=9, description="Scale of the LoRA `details`; 5: 0.")
    img_options: ImgOptions = ImgOptions()
    controlnet: ControlNets = ControlNets()
    predict_consume: bool = Field(False, description="Answer the price alone.")

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        width, height = self.size
        scale = self.second_pass_scale
        if max(width, height) * scale > MAX_SIDE or width * height * scale**2 > MAX_PIXELS:
            raise ValueError(
                f"hrScale {scale:g} makes {width * scale:.0f}x{height * scale:.0f} of {width}x{height}, but a side may "
                f"have {MAX_SIDE} pixels; lower hrScale, width or height, or use upscale"
            )
        return self

    @property
    def source(self) -> str | None:
        """The picture to start from; None: it is painted from noise."""
        return self.img or (self.img_options.img if self.img_options.redraw_background else None)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the painting."""
        return _on_grid(self.width or DEFAULT_SIDE), _on_grid(self.height or DEFAULT_SIDE)

    @property
    def has_size(self) -> bool:
        return self.width is not None or self.height is not None

    @property
    def second_pass_scale(self) -> float:
        """How many times larger the second pass makes each side; 1: there is none."""
        return self.hr_scale if self.hr_scale > 1 and self.source is None else 1.0


class DetailRequest(Body):
    task_id: str = Field(max_length=64, description="`paintingSign` of the answer to the draw request.")
    preview: bool = Field(True, description="Whether `current_image` has a preview while the task runs.")
    img_format: Literal["jpeg", "png"] | None = Field(
        None, description="Default: jpeg; png if the background was removed."
    )
    img_quality: int = Field(100, ge=1, le=100, description="Of a jpeg.")
    wait_util_end: bool = Field(False, description="Answer once the task has ended.")


def _on_grid(side: int) -> int:
    return max((side + GRID // 2) // GRID * GRID, MIN_SIDE)
