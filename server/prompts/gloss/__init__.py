"""The gloss: Chinese prompts to English with a lexicon, a dictionary and a grammar."""

from server.prompts.gloss.gloss import Gloss as Gloss
