from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import BlipForConditionalGeneration, BlipProcessor

from models.catalog.catalog import Catalog
from models.language import captioner
from models.language.captioner import LONGEST, Captioner

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def blip(toys: Catalog) -> Captioner:
    return captioner.load(toys.find("captioner"), CPU, torch.float32)


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_says_what_transformers_says(blip: Captioner, toys: Catalog, seed: int) -> None:
    folder = toys.find("captioner").path
    stock = BlipForConditionalGeneration.from_pretrained(folder).eval()
    processor = BlipProcessor.from_pretrained(folder)
    look = processor(images=picture(seed), return_tensors="pt").pixel_values
    reference = stock.generate(look, do_sample=False, num_beams=1, max_new_tokens=LONGEST)
    said = blip.text(list(blip.tokens(picture(seed))))
    assert said == processor.decode(reference[0], skip_special_tokens=True)
    assert said


def test_other_pictures_have_other_captions(blip: Captioner) -> None:
    said = {blip.text(list(blip.tokens(picture(seed)))) for seed in range(3)}
    assert len(said) == 3
