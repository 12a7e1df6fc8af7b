from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import BlipForConditionalGeneration, BlipProcessor

from models.catalog.catalog import Catalog
from models.finite import NotFiniteError
from models.language import captioner
from models.language.captioner import MAX_TOKENS, Captioner
from tests.support.nets import language_model_of, spoil

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def blip(toys: Catalog) -> Captioner:
    return captioner.load(toys.find("captioner"), CPU, torch.float32)


def image(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_caption_equals_transformers(blip: Captioner, toys: Catalog, seed: int) -> None:
    folder = toys.find("captioner").path
    stock = BlipForConditionalGeneration.from_pretrained(folder).eval()
    processor = BlipProcessor.from_pretrained(folder)
    inputs = processor(images=image(seed), return_tensors="pt").pixel_values
    reference = stock.generate(inputs, do_sample=False, num_beams=1, max_new_tokens=MAX_TOKENS)
    caption = blip.text(list(blip.tokens(image(seed))))
    assert caption == processor.decode(reference[0], skip_special_tokens=True)
    assert caption


def test_other_images_have_other_captions(blip: Captioner) -> None:
    captions = {blip.text(list(blip.tokens(image(seed)))) for seed in range(3)}
    assert len(captions) == 3


def test_tokens_of_nan_are_refused(toys: Catalog) -> None:
    loaded = captioner.load(toys.find("captioner"), CPU, torch.float32)
    spoil(language_model_of(loaded))
    with pytest.raises(NotFiniteError, match="captioner 'toy-blip' returned NaN or infinity"):
        list(loaded.tokens(image(0)))
