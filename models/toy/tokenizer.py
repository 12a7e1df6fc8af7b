"""A CLIP tokenizer with a vocabulary of its own: byte-level BPE, learnt from a page of prompts.

The lay-out is CLIP's (Radford et al., 2021): 256 bytes, the same ending a word (`</w>`), one piece per merge, then the
two marks of start and end. So any text in any script has tokens, and "!" has number 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
TOKENS = 77

TEXT = """
a photo of a red apple on a wooden table, soft morning light, highly detailed, sharp focus
a painting of a small house by the lake at sunset, oil on canvas, warm colors, masterpiece, best quality
a portrait of an astronaut riding a horse on mars, digital art, trending, cinematic lighting
a cute cat sleeping on a blue sofa, watercolor, pastel colors, white background
a green tree in a field of yellow flowers under a cloudy sky, landscape, wide angle
two dogs running along the beach, waves, golden hour, film grain, depth of field
a futuristic city at night, neon lights, rain, reflections, purple and cyan, concept art
an old castle on a hill in the fog, fantasy, dramatic light, intricate details
a black car on the street, studio photo, realistic, glossy, high resolution
a bowl of oranges and a silver spoon, still life, dark background, chiaroscuro
a girl with brown hair and a straw hat, smiling, looking at the viewer, anime style
a boy holding a balloon, illustration for a children's book, simple shapes, flat colors
a mountain river in autumn, birds in the sky, snow on the peaks, panorama
red circle, blue square, green triangle, yellow star, pink heart, orange moon, purple ring, black cross
a big fish by the sea, a small flower on the grass, an orange boat in the sky, a person on a gray background
a picture of a sun and a cloud, a drawing of a balloon at the top and a mountain at the bottom, line drawing of a moon
lowres, bad anatomy, bad hands, text, error, missing fingers, extra digit, fewer digits, cropped, worst quality
low quality, normal quality, jpeg artifacts, signature, watermark, username, blurry, deformed, ugly, duplicate
"""


def clip_tokenizer(pad: str = END) -> CLIPTokenizer:
    """The tokenizer; `pad` is the token that fills a prompt up to 77."""
    merges = _merges(TEXT)
    letters = sorted(ByteLevel.alphabet())
    pieces = [*letters, *(letter + "</w>" for letter in letters), *(left + right for left, right in merges), START, END]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    return CLIPTokenizer(vocabulary, list(merges), pad_token=pad, model_max_length=TOKENS)


@cache
def _merges(text: str) -> Sequence[tuple[str, str]]:
    """The merges that make every word of `text` one piece, the commonest pair first (Sennrich et al., 2016).

    Of equally common pairs the first in the alphabet, so that every run learns the same.
    """
    backend = CLIPTokenizer().backend_tokenizer
    found = backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text))
    words = Counter((*letters[:-1], letters[-1] + "</w>") for letters, _ in found)
    merges: list[tuple[str, str]] = []
    while True:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        if not pairs:
            return merges
        merges.append(min(pairs, key=lambda pair: (-pairs[pair], pair)))
        words = Counter({_merged(word, merges[-1]): count for word, count in words.items()})


def _merged(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    merged: list[str] = []
    for piece in word:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return tuple(merged)
