"""The requests of A1111's txt2img and img2img. Fields that are null count as left out, and unknown ones are ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pipelines.pipeline import MAX_TEXT
from server.api.dialects.a1111.infotext_fields import read_fields
from server.api.dialects.a1111.scripts import fields_set_by

MAX_BATCH, MAX_IMAGES = 100, 100


def _refuse_lone_surrogates(value: Any) -> Any:
    """Raises ValueError if a text in a JSON value has half of a surrogate pair."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("a text has half of a surrogate pair; write each character whole") from None
    elif isinstance(value, dict):
        for part in (*value, *value.values()):
            _refuse_lone_surrogates(part)
    elif isinstance(value, list):
        for part in value:
            _refuse_lone_surrogates(part)
    return value


Json = Annotated[Any, AfterValidator(_refuse_lone_surrogates)]
"""Any JSON that an answer can repeat: UTF-8 has no lone surrogates."""
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Strength = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=MAX_BATCH)]
SideOrNone = Annotated[int, Field(ge=-1, le=8192)]
"""0 or -1: not set."""
Styles = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


class GenerationRequest(BaseModel):
    """What both have in common."""

    # `str_min_length=0` makes pydantic check every string for lone surrogates, which the echo could not hold.
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, str_min_length=0)

    prompt: Text = ""
    negative_prompt: Text = ""
    styles: Styles = Field([], max_length=100, description="Names of /sdapi/v1/prompt-styles.")
    seed: int = Field(-1, ge=-1, le=2**64, description="-1: a random one. Larger seeds are taken modulo 2³².")
    subseed: int = Field(-1, ge=-1, le=2**64)
    subseed_strength: Strength = 0.0
    seed_resize_from_h: SideOrNone = 0
    seed_resize_from_w: SideOrNone = 0
    sampler_name: str = Field("", max_length=64)
    sampler_index: str = Field("", max_length=64, description="The older name of sampler_name.")
    scheduler: str = Field("", max_length=64)
    batch_size: Count = 1
    n_iter: Count = 1
    steps: int = 50
    cfg_scale: float = 7.0
    width: int = Field(512, ge=1, le=8192)
    height: int = Field(512, ge=1, le=8192)
    restore_faces: bool = False
    tiling: bool = False
    s_churn: float = 0.0
    s_min_uncond: float = 0.0
    disable_extra_networks: bool = False
    override_settings: dict[str, Json] = {}
    refiner_checkpoint: str = ""
    script_name: str = ""
    alwayson_scripts: dict[str, Json] = {}
    send_images: bool = True
    infotext: str = Field("", max_length=4 * MAX_TEXT, description="Sets the fields that the request does not have.")
    force_task_id: str = Field("", max_length=200, description="The `id_task` of POST /internal/progress.")
    denoising_strength: Strength = 0.75

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        present = {name: value for name, value in values.items() if value is not None}
        overrides = present.get("override_settings", {})
        read, options = read_fields(str(present.get("infotext", "")))
        if options and isinstance(overrides, dict):
            present["override_settings"] = options | overrides
        return read | present | fields_set_by(present.get("alwayson_scripts"))

    @model_validator(mode="after")
    def _check_images(self) -> Self:
        if self.images > MAX_IMAGES:
            raise ValueError(f"n_iter · batch_size is {self.images}; ask for at most {MAX_IMAGES} images at once")
        return self

    @property
    def images(self) -> int:
        return self.batch_size * self.n_iter

    @property
    def sampler(self) -> str:
        return self.sampler_name or self.sampler_index

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, multiples of 8 as A1111 makes them, and at least 64."""
        return max(self.width // 8 * 8, 64), max(self.height // 8 * 8, 64)


class Txt2ImgRequest(GenerationRequest):
    enable_hr: bool = False
    firstphase_width: SideOrNone = 0
    firstphase_height: SideOrNone = 0
    hr_scale: float = Field(2.0, ge=1, le=4)
    hr_upscaler: str = Field("", max_length=256)
    hr_second_pass_steps: int = Field(0, ge=0)
    hr_resize_x: SideOrNone = 0
    hr_resize_y: SideOrNone = 0
    hr_checkpoint_name: str = Field("", max_length=256)
    hr_sampler_name: str = Field("", max_length=64)
    hr_scheduler: str = Field("", max_length=64)
    hr_cfg: float | None = None
    hr_prompt: Text = ""
    firstpass_image: str = ""
    hr_negative_prompt: Text = ""


class Img2ImgRequest(GenerationRequest):
    init_images: list[Json] = Field([], max_length=MAX_IMAGES, description="base64, a data: URI, or an address.")
    resize_mode: Literal[0, 1, 2, 3] = 0
    mask: str | None = Field(None, description="White is repainted.")
    latent_mask: str = ""
    initial_noise_multiplier: float = Field(1.0, ge=0, le=1.5)
    mask_blur: int | None = Field(None, ge=0, le=256)
    mask_blur_x: int = Field(4, ge=0, le=256)
    mask_blur_y: int = Field(4, ge=0, le=256)
    inpainting_fill: Literal[0, 1, 2, 3] = Field(0, description="fill, original, latent noise, latent nothing")
    inpaint_full_res: bool = True
    inpaint_full_res_padding: int = Field(0, ge=0, le=4096)
    inpainting_mask_invert: int = Field(0, ge=0, le=1)
    include_init_images: bool = False
