"""Parameters of an affine transform of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from pipelines.params.image_operation import Filter, SourceImageParams

if TYPE_CHECKING:
    from models.imaging.affine import Matrix

Coefficient = Annotated[float, Field(ge=-1e4, le=1e4, allow_inf_nan=False)]
Offset = Annotated[float, Field(ge=-1e5, le=1e5, allow_inf_nan=False)]


class AffineTransformParams(SourceImageParams):
    """An affine transform, as on an HTML canvas: a pixel at (x, y) moves to (a·x + c·y + e, b·x + d·y + f)."""

    a: Coefficient = Field(description="Horizontal scale; the cosine of a rotation.")
    b: Coefficient = Field(description="The sine of a rotation: how far down a step along x leads.")
    c: Coefficient = Field(description="How far to the right a step along y leads.")
    d: Coefficient = Field(description="Vertical scale.")
    e: Offset = Field(description="Pixels to the right.")
    f: Offset = Field(description="Pixels down.")
    wh_limit: int = Field(16384, ge=1, le=16384, description="Longest side to which the picture may be enlarged.")
    resampling: Filter = Field("bilinear", description="The filter that resizes the picture.")

    @model_validator(mode="after")
    def _check_matrix(self) -> Self:
        self.matrix.scaled_size(1, 1, self.wh_limit)
        return self

    @property
    def matrix(self) -> Matrix:
        from models.imaging.affine import Matrix

        return Matrix(self.a, self.b, self.c, self.d, self.e, self.f)
