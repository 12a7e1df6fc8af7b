"""A method for each common task type. Both clients inherit them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from hua_client.calls import Options
from hua_client.inputs import ImageInput, as_image

TaskT = TypeVar("TaskT")


class Painting(ABC, Generic[TaskT]):
    """Each method submits a task and waits for its end. `params` are those of the task type.

    An image is a path, bytes, an image of Pillow, an earlier result, a link, or the id of an upload. TaskT: what `run`
    returns, a task or an awaitable of one.
    """

    @abstractmethod
    def run(self, type: str, /, *, options: Options | None = None, **params: Any) -> TaskT:
        """Submits a task of any type and waits for its end. Raises TaskFailedError, TaskCanceledError."""

    def txt2img(self, text: str, *, options: Options | None = None, **params: Any) -> TaskT:
        """Paints an image from a prompt."""
        return self.run("txt2img.sd", text=text, options=options, **params)

    def img2img(self, image: ImageInput, text: str = "", *, options: Options | None = None, **params: Any) -> TaskT:
        """Repaints an image; `fidelity` is how closely it is followed."""
        return self.run("img2img.sd", url=as_image(image), text=text, options=options, **params)

    def inpaint(
        self, image: ImageInput, mask: ImageInput, text: str = "", *, options: Options | None = None, **params: Any
    ) -> TaskT:
        """Repaints what is white in the mask."""
        images = {"url": as_image(image), "mask_url": as_image(mask)}
        return self.run("txt2img.sd.inpainting", text=text, options=options, **images, **params)

    def erase(self, image: ImageInput, mask: ImageInput, *, options: Options | None = None, **params: Any) -> TaskT:
        """Removes what is white in the mask."""
        return self.run("img2img.inpainting", url=as_image(image), mask_url=as_image(mask), options=options, **params)

    def outpaint(self, image: ImageInput, text: str = "", *, options: Options | None = None, **params: Any) -> TaskT:
        """Paints beyond the edges: `left`, `right`, `top`, `bottom` pixels."""
        return self.run("txt2img.sd.outpainting", url=as_image(image), text=text, options=options, **params)

    def upscale(self, image: ImageInput, *, options: Options | None = None, **params: Any) -> TaskT:
        """Enlarges an image, by `scale` or to `target_w` and `target_h`."""
        return self.run("img2img.sr", url=as_image(image), options=options, **params)

    def control(
        self, kind: str, hint: ImageInput, text: str = "", *, options: Options | None = None, **params: Any
    ) -> TaskT:
        """Paints an image that follows a control map of `kind` (canny, depth, pose…), which is drawn from `hint`."""
        return self.run(f"control_new.{kind}", hint_url=as_image(hint), text=text, options=options, **params)

    def remove_background(self, image: ImageInput, *, options: Options | None = None, **params: Any) -> TaskT:
        """Makes everything but the main object transparent."""
        return self.run("img2img.sod", url=as_image(image), options=options, **params)
