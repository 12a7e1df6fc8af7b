"""Somebody's hold on models: none of them leaves the device until it is released."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

from models.adapters.controlnet import ControlNet
from models.adapters.ip_adapter import IPAdapter
from models.adapters.lora import Lora
from models.adapters.textual_inversion import Embedding
from models.catalog.entry import DIFFUSION
from models.diffusion.checkpoint import Checkpoint
from models.diffusion.tiny_decoder import TinyDecoder
from models.language.captioner import Captioner
from models.language.prompt_enhancer import Enhancer
from models.registry.loaders import LoadedModel
from models.vision.annotators import Annotator
from models.vision.eraser import Eraser
from models.vision.matting import Matting
from models.vision.safety_checker import Safety
from models.vision.upscaler import Upscaler

if TYPE_CHECKING:
    from models.registry.registry import Registry

M = TypeVar("M")


class ModelLoadError(Exception):
    """A model could not be loaded; the message says which and why."""


class WrongFamilyError(Exception):
    """A model was named for what models of its family cannot do; the message says which can."""

    code = "bad_input"

    def __init__(self, model: LoadedModel, deed: str, families: str) -> None:
        super().__init__(
            f"model {model.name!r} is of family {model.family}, which cannot {deed}; name one of family {families}"
        )


class ModelHandle:
    """Somebody's wish to use some models and, once it is ready, their right to: none is evicted until it is released.

    A context manager that releases at its end.
    """

    def __init__(self, registry: Registry, names: tuple[str, ...]) -> None:
        self.names = names
        self._registry = registry
        self._state: Literal["waiting", "ready", "failed", "released"] = "waiting"
        self._error = ""
        self._cause: Exception | None = None

    @property
    def ready(self) -> bool:
        """Whether all models are on the device. Raises ModelLoadError if one of them could not be brought there."""
        if self._state == "failed":
            raise ModelLoadError(self._error) from self._cause
        return self._state == "ready"

    def wait(self, timeout_s: float) -> bool:
        """Waits until ready, for so long at most. Raises as `ready` does."""
        with self._registry.changed:
            self._registry.changed.wait_for(lambda: self._state != "waiting", timeout_s)
        return self.ready

    def checkpoint(self, name: str) -> Checkpoint:
        """The model of this name or alias, which must be held. Raises WrongFamilyError, as all of these."""
        model = self._registry.model(self, name)
        if isinstance(model, Checkpoint):
            return model
        raise WrongFamilyError(model, "paint", ", ".join(sorted(DIFFUSION)))

    def upscaler(self, name: str) -> Upscaler:
        return self._a(Upscaler, name, "enlarge a picture", "upscaler")

    def eraser(self, name: str) -> Eraser:
        return self._a(Eraser, name, "erase", "lama")

    def controlnet(self, name: str) -> ControlNet:
        return self._a(ControlNet, name, "guide by a control map", "controlnet")

    def ip_adapter(self, name: str) -> IPAdapter:
        return self._a(IPAdapter, name, "see a picture for another", "ip_adapter")

    def decoder(self, name: str) -> TinyDecoder:
        return self._a(TinyDecoder, name, "decode latents", "decoder")

    def annotator(self, name: str) -> Annotator:
        return self._a(Annotator, name, "draw a control map", "annotator")

    def lora(self, name: str) -> Lora:
        return self._a(Lora, name, "be merged into another", "lora")

    def embedding(self, name: str) -> Embedding:
        return self._a(Embedding, name, "stand in for a word", "embedding")

    def matting(self, name: str) -> Matting:
        return self._a(Matting, name, "cut out", "matting")

    def captioner(self, name: str) -> Captioner:
        return self._a(Captioner, name, "describe a picture", "captioner")

    def enhancer(self, name: str) -> Enhancer:
        return self._a(Enhancer, name, "write prompts", "enhancer")

    def safety(self, name: str) -> Safety:
        return self._a(Safety, name, "judge a picture", "safety")

    def _a(self, kind: type[M], name: str, deed: str, family: str) -> M:
        model = self._registry.model(self, name)
        if isinstance(model, kind):
            return model
        raise WrongFamilyError(model, deed, family)

    def release(self) -> None:
        """Lets go; if it is not ready yet, its turn is given up. A second time does nothing."""
        self._registry.release(self)

    def fail(self, message: str, cause: Exception) -> None:
        self._error, self._cause, self._state = message, cause, "failed"

    def __enter__(self) -> ModelHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
