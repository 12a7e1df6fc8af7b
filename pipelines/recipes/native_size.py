"""The size of an image that a task does not name: the one that its model was trained at."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from models.kinds.kind import AnyModelRef

if TYPE_CHECKING:
    from models.catalog.catalog import Catalog

SIZE = "in pixels, a multiple of 8. If neither w nor h is set, the size that the model was trained at, if it is known."
"""Of the params `w` and `h`, for their descriptions."""
P = TypeVar("P", bound=BaseModel)


def with_native_size(params: P, checkpoint: AnyModelRef, catalog: Catalog) -> P:
    """Where neither `w` nor `h` is set, the size that the checkpoint was trained at, if its catalog entry has one.

    Raises ValidationError if it does not fit the other parameters.
    """
    if params.model_fields_set & {"w", "h"}:
        return params
    size = catalog.find(checkpoint).side
    if size is None:
        return params
    return type(params).model_validate({**params.model_dump(exclude_unset=True), "w": size, "h": size})
