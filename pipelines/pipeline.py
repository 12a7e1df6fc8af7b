"""The contract of a task type: its names, its parameters, its recipe.

Torch-free, because the API validates with the same classes that the device process runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, model_validator

from models.catalog.entry import ModelEntry
from models.kinds import CHECKPOINT_FAMILIES, families_of
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.sampler_names import Spacing
from pipelines.synonyms import rename_synonyms

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models.adapters.controlnet import ControlNet
    from models.catalog.catalog import Catalog
    from models.catalog.style import Style
    from models.conditioning import Prompts
    from models.diffusion.checkpoint import Checkpoint
    from models.noise import Noise


MAX_TEXT = 20_000
"""The longest text of a parameter, in characters; images in base64 are longer."""


class Params(BaseModel):
    """The parameters of a task type. Unknown names are refused, so that a misspelt parameter is never ignored."""

    # `str_min_length=0` makes pydantic check every string. A lone surrogate, which JSON allows and UTF-8 does not, is
    # then refused here and not when the task is serialised.
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
        str_min_length=0,
        str_max_length=MAX_TEXT,
    )

    @model_validator(mode="before")
    @classmethod
    def _rename_synonyms(cls, values: Any) -> Any:
        return rename_synonyms(values, cls.model_fields)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each image; empty if images have no seeds."""
        return ()

    def with_mentioned_embeddings(self, embeddings: Sequence[ModelEntry]) -> Self:
        """These parameters with the embeddings that their prompts mention; unchanged where there is no prompt."""
        return self


M = TypeVar("M")
P = TypeVar("P", bound=Params)


@dataclass(frozen=True, slots=True)
class PreservedRegion:
    """The part of the latents that denoising must not change: it is reset to the picture after every step."""

    picture: torch.Tensor
    """Latents [1, channels, h, w] without noise; they get the noise of the next step before they are put back."""
    mask: torch.Tensor
    """[1, 1, h, w]: 1 where the image is repainted, 0 where the picture is put back."""


@dataclass(frozen=True, slots=True)
class ControlInput:
    """One ControlNet and the map that it follows during a Denoise."""

    net: ControlNet
    hint: torch.Tensor
    """The control map, [1, 3, height, width] in 0..1, in pixels of the image."""
    strength: float = 1.0
    """How strongly the map is followed; diffusers' `controlnet_conditioning_scale`."""
    start: float = 0.0
    """Fraction of the steps after which the map is followed; diffusers' `control_guidance_start`."""
    end: float = 1.0
    """Fraction of the steps until which the map is followed; diffusers' `control_guidance_end`."""
    guess: bool = False
    """Guess mode of the ControlNet authors: the hint goes to the conditional pass alone, and its effect fades towards
    the outer layers, so that the network guesses what the hint means where the prompt is silent."""
    fades: bool = False
    """Its effect fades towards the outer layers as in the modes of A1111's extension that prefer the prompt or, with
    `guess`, the ControlNet."""
    region: torch.Tensor | None = None
    """How much the map acts at each place, [1, 1, height, width] in 0..1, in pixels of the image; None: all of it."""
    layer_weights: tuple[float, ...] | None = None
    """The weight of each of the net's residuals, the outermost layer first, in place of any fading."""


@dataclass(frozen=True, slots=True)
class Denoise:
    """A request of a recipe to the engine: denoise these latents to one image."""

    checkpoint: Checkpoint
    prompts: tuple[Prompts, ...]
    """What guides the steps, at least one; several share the steps out evenly, in this order. All have equal shapes and
    equally many positives."""
    noise: Noise
    """The noise of this image; every draw advances it."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    steps: int
    """Steps of the sampler from pure noise; with `source` only `strength` of them run."""
    sampler: str
    """A name of `sampler_names`."""
    sigmas: str | None = None
    """The noise schedule by name, such as "karras"; None: the sampler's own."""
    guidance: float = 7.5
    """Scale of classifier-free guidance; 1: none."""
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    """Guided only between these fractions of the steps."""
    source: torch.Tensor | None = None
    """Clean latents to start from, [1, channels, h, w]; None: start from pure noise."""
    strength: float = 1.0
    """0 to 1: how much noise `source` gets, and how many of the steps run."""
    circular: bool = False
    """The image tiles: convolutions of the denoiser and its ControlNets pad with the opposite edge."""
    initial: torch.Tensor | None = None
    """The noise to start from, float32 [1, channels, h, w], if the recipe has already drawn it from `noise`."""
    noise_multiplier: float = 1.0
    """Multiplies the noise to start from."""
    inpainting_inputs: torch.Tensor | None = None
    """Mask and masked latents [1, in_channels - channels, h, w], which a checkpoint trained for inpainting takes."""
    preserve: PreservedRegion | None = None
    """The region that stays as it is in another picture."""
    controls: tuple[ControlInput, ...] = ()
    """The ControlNets that act on the denoiser."""
    strict: bool = False
    """The image shares no forward pass with others, so that no rounding depends on them."""
    deep_cache: int = 1
    """Every `deep_cache`-th step runs the whole UNet; the steps between reuse its deep features."""
    spacing: Spacing | None = None
    """How the steps are spread over the timesteps; None: as the checkpoint was trained."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a recipe returns. Pixels are uint8 [h, w, 3 or 4], or [h, w] for a single plane."""

    images: Sequence[np.ndarray] = ()
    hints: Sequence[np.ndarray] = ()
    """The control maps that the images follow."""
    answer: Mapping[str, Any] | None = None
    """The answer of a task that returns data instead of images, as plain JSON."""
    reasons: Sequence[str] = ()
    """For each image and then each hint: why the audit withholds it, or "". Empty if the audit withholds none."""
    seeds: Sequence[int] = ()
    """The seed of each image, if they are not those of the params."""
    warnings: Sequence[str] = ()
    """What had no effect, in sentences for the user. The engine puts those of the models before them."""


T = TypeVar("T")
Steps = Generator[Sequence[Denoise], "list[torch.Tensor]", T]
"""A generator that yields denoise requests, is sent the clean latents in the same order, and returns a result.

It yields `[]` to let other tasks run a step and then go on.
"""
Recipe = Steps[TaskResult]


class Models(Protocol):
    """The models that a recipe may use: those that `Pipeline.needs` names are on the device when it runs."""

    def get(self, ref: ModelRef[M]) -> M:
        """The model that a reference means. Raises WrongFamilyError if it is of another kind."""
        ...


@dataclass(frozen=True, slots=True)
class Work:
    """How much work a task is for a device. Limits, prices and fair queueing depend on it."""

    pixels: int
    """Pixels of one image."""
    images: int
    steps: int
    compute_fraction: float = 1.0
    """Work of the steps, as a fraction of full guided passes; options such as `deep_cache` lower it."""
    is_upper_bound: bool = False
    """`pixels` is the most that an image may have, because the input picture that decides is not known yet."""

    @property
    def cost(self) -> float:
        """The work in units of one 512×512 image at 20 guided steps."""
        return self.images * (self.pixels / (512 * 512)) * (self.steps / 20) * self.compute_fraction


ResultShape = Literal["images", "composite", "control", "workflow"]
"""How the results belong together, which a foreign API's replies may show.

`images`: the images alone. `composite`: one image that several inputs were merged into. `control`: images with the
control maps that they follow, or control maps alone. `workflow`: the images of the target node, those of the
intermediate nodes as hints, and an answer that tells which hint belongs to which node.
"""
Audited = Literal["always", "on_request", "never"]
USE_AUDIT = "Check the images before they are returned, if the operator has set up an audit."


@dataclass(frozen=True, slots=True)
class Part:
    """A task, or one node of a workflow: what has a prompt and a model of its own."""

    path: str
    """Where its params are in those of the task, by dotted path; empty for the task itself."""
    pipeline: AnyPipeline
    params: Params
    injected: frozenset[str] = frozenset()
    """The params that other nodes fill, by dotted path. Examples stand for them."""

    def path_of(self, field: str) -> str:
        """The dotted path of a field of its params in those of the task."""
        return f"{self.path}.{field}" if self.path else field


class Pipeline(ABC, Generic[P]):
    """A task type. Each module in this folder holds one subclass, which `pipelines` discovers."""

    names: tuple[str, ...]
    """The canonical name first, then its aliases."""
    title: str
    Params: type[P]
    families: frozenset[str] = CHECKPOINT_FAMILIES
    """The families that the model of a task may have."""
    audited: Audited = "always"
    """Whether the audit checks its images, if the operator has set one up. `on_request`: if `use_audit` is true."""
    answers: tuple[Any, ...] = ()
    """For a task type that returns data instead of images: examples of the items that the one value of its answer
    holds. A workflow validates with them the parameters that take the answer."""

    result_shape: ResultShape = "images"
    style_param: str = ""
    """The parameter that names one of `own_styles`, or a style of the operator; empty: there is none. Once the task is
    accepted, its params hold what the style says, and this parameter is empty."""
    own_styles: Mapping[str, Style] = {}
    """Styles that come with the task type, by id. One of the operator with the same id goes first."""

    @abstractmethod
    def needs(self, params: P) -> tuple[AnyModelRef, ...]:
        """The models that must be on the device before `run`; the first one decides where a task runs best."""

    def wants(self, params: P) -> Mapping[str, tuple[AnyModelRef, ...]]:
        """Models that are used if the catalog has them, by the part of the task that needs them. The params of such a
        task type have `left_out`; models of the parts that it names are not wanted."""
        return {}

    def transparent_inputs(self, params: P) -> Mapping[str, str]:
        """Why the task fails if one of these images has no transparent pixels, by its dotted path."""
        return {}

    @abstractmethod
    def work(self, params: P) -> Work:
        """How much work a task with these parameters is."""

    @abstractmethod
    def run(self, params: P, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        """The recipe. `images` holds the decoded uint8 inputs [h, w, 3 or 4] by path: `url`, `controls.0.hint_url`."""

    def parts(self, params: P) -> tuple[Part, ...]:
        """What has prompts and a model of its own: the task itself, or the nodes of a workflow that will run."""
        return (Part("", self, params),)

    def with_parts(self, params: P, parts: Sequence[Part]) -> P:
        """`params` with some of its parts replaced. The result is not validated."""
        return cast("P", parts[0].params) if parts else params

    def without_missing(self, params: P, catalog: Catalog) -> P:
        """`params` that leave out the parts whose models the catalog does not have."""
        missing = [part for part, refs in self.wants(params).items() if not catalog.has(refs)]
        if not missing:
            return params
        return params.model_copy(update={"left_out": (*getattr(params, "left_out", ()), *missing)})

    def resolve_names(self, params: P, catalog: Catalog) -> P:
        """`params` with what the catalog decides: the model's canonical name, the embeddings that prompts mention, the
        parts to leave out.

        Raises UnknownModelError, MisfitError.
        """
        params = self.without_missing(params, catalog)
        for ref in self.needs(params):
            entry = catalog.find(replace(ref, inpainting=False))
            if not ref.kind.named_by_callers:
                continue
            if getattr(params, "model", None) == ref.name:
                catalog.refuse_unless(entry, self.families)
                params = params.model_copy(update={"model": entry.name})
            catalog.refuse_unless(entry, families_of(ref.kind))
        params = params.with_mentioned_embeddings(catalog.embeddings(self.needs(params)))
        catalog.refuse_misfits(self.needs(params))
        return params

    def resolve(self, params: P) -> P:
        """`params` with seeds drawn for everything random, so that a second run makes the same images."""
        return params


AnyPipeline = Pipeline[Any]
