"""What the toy annotators draw of a white square."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.catalog.catalog import Catalog
from models.kinds.annotator import ANNOTATOR
from models.kinds.kind import ModelRef
from models.vision import annotators
from models.vision.control_maps import DrawOptions

PICTURE = np.zeros((128, 128, 3), np.uint8)
PICTURE[32:96, 32:96] = 255
EDGE = np.zeros((128, 128), bool)
for begin in (28, 92):
    EDGE[begin : begin + 8] = EDGE[:, begin : begin + 8] = True


def drawn(toys: Catalog, hint: str) -> np.ndarray:
    annotator = annotators.load(toys.find(ModelRef(ANNOTATOR, hint)), torch.device("cpu"), torch.float32)
    return annotator.annotate(PICTURE, DrawOptions(resolution=128))


@pytest.mark.parametrize("hint", ["softedge", "mlsd"])
def test_map_shows_the_edges_of_the_square(hint: str, toys: Catalog) -> None:
    grey = drawn(toys, hint)[:, :, 0]
    assert grey[EDGE].max() > 150
    assert grey[EDGE].mean() > 20
    assert grey[~EDGE].max() < 20


def test_line_drawing_follows_the_picture(toys: Catalog) -> None:
    assert drawn(toys, "lineart").std() > 2


def test_pose_net_detects_no_people(toys: Catalog) -> None:
    assert not drawn(toys, "pose").any()
