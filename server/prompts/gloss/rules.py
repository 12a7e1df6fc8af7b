"""The rules of the grammar: which phrase two neighbours make, at what cost, and how it reads in English.

Categories. Nouns: N things, P people and animals, B parts of the body and of buildings, and clothes. A adjective, V
verb, VE verb of what stands or hangs somewhere, VP verb with what belongs to it, L place or time ("on the grass"), LOC
localizer (上), PREP preposition, D degree, ADV manner, Q quantity, C conjunction, SA noun with its predicate adjective,
X+ what follows its noun in English, S sentence. `Xd` is an X with 的, `Xc` one after a conjunction, `Xy` after 有, `Xn`
after 没有, `Xb` after 是. Single words: DE 的, DI 地, DEI 得, ZAI 在, YOU 有, NO 没有, NOT 不, BA 把, FOR 给, BI 比,
W 穿, BEI 被, BE 是, BG 背景是, PLURAL 们, STYLE 风.

In a rule, @ and # stand for any of the nouns, ! and !! for any of the verbs.
"""

from __future__ import annotations

from collections.abc import Callable

from server.prompts.gloss import combine
from server.prompts.gloss.phrase import Phrase

Combine = Callable[[Phrase, Phrase], Phrase]
NOUNS = ("N", "P", "B")
VERBS = ("V", "VE", "VP")

RULES: tuple[tuple[str, str, str, float, Combine], ...] = (
    # Adjectives, quantities, compounds
    ("A", "@", "@", 0.1, combine.adjective),
    ("Ad", "@", "@", 0.1, combine.attribute),
    ("A", "A", "A", 0.4, combine.attribute),
    ("Ad", "A", "A", 0.3, combine.attribute),
    ("D", "A", "A", 0.05, combine.degree),
    ("P", "PLURAL", "P", 0.0, combine.several),
    ("N", "STYLE", "N", 0.1, combine.compound),
    ("A", "STYLE", "N", 0.1, combine.attribute),
    ("NOT", "A", "A", 0.1, combine.degree),
    ("Q", "@", "@", 0.05, combine.quantity),
    ("N", "#", "#", 0.5, combine.compound),
    ("P", "N", "N", 0.6, combine.compound),
    ("P", "P", "P", 0.6, combine.compound),
    ("P", "B", "P", 0.7, combine.owner),
    ("B", "N", "N", 0.7, combine.compound),
    ("B", "P", "P", 0.6, combine.had_by),
    ("B", "B", "B", 0.3, combine.listed),
    # 的
    ("A", "DE", "Ad", 0.0, combine.same),
    ("@", "DE", "@d", 0.0, combine.same),
    ("!", "DE", "Vd", 0.0, combine.same),
    ("L", "DE", "Ld", 0.0, combine.same),
    ("S", "DE", "Sd", 0.0, combine.same),
    ("SA", "DE", "SAd", 0.0, combine.same),
    ("@y", "DE", "Yd", 0.0, combine.same),
    ("@n", "DE", "Wd", 0.0, combine.same),
    ("Pd", "N", "N", 0.4, combine.possessive),
    ("Pd", "B", "B", 0.25, combine.possessive),
    ("Pd", "P", "P", 0.9, combine.possessive),
    ("Nd", "N", "N", 0.6, combine.attributive),
    ("Nd", "B", "B", 0.6, combine.attributive),
    ("Nd", "P", "P", 0.9, combine.attributive),
    ("Bd", "P", "P", 0.4, combine.had_by),
    ("Bd", "N", "N", 0.5, combine.part),
    ("Bd", "B", "B", 0.8, combine.part),
    ("Vd", "N", "N", 0.3, combine.relative),
    ("Vd", "P", "P", 0.3, combine.relative),
    ("Vd", "B", "B", 0.4, combine.relative),
    ("Ld", "@", "@", 0.2, combine.placed),
    ("SAd", "@", "@", 0.1, combine.had_by),
    ("Sd", "@", "@", 0.9, combine.had_by),
    ("Yd", "@", "@", 0.2, combine.had_by),
    ("Wd", "@", "@", 0.2, combine.lacked_by),
    # Places and times
    ("@", "LOC", "L", 0.1, combine.place),
    ("L", "LOC", "L", 0.3, combine.same),
    ("ZAI", "L", "L", 0.0, combine.second),
    ("ZAI", "@", "L", 0.5, combine.place_in),
    ("PREP", "@", "L", 0.1, combine.directed),
    ("PREP", "L", "L", 0.1, combine.directed_place),
    ("L", "@", "@", 0.6, combine.placed),
    ("A", "L", "L", 1.0, combine.second),
    ("@", "L", "S", 0.5, combine.place_after),
    ("L", "S", "S", 0.5, combine.placed),
    ("L", "L", "L", 0.5, combine.place_after),
    ("L", "SA", "S", 0.5, combine.placed),
    # 有, 没有, 是
    ("YOU", "@", "@y", 0.0, combine.second),
    ("L", "@y", "S", 0.0, combine.placed),
    ("@", "#y", "S", 0.2, combine.having),
    ("NO", "@", "@n", 0.0, combine.none_of),
    ("L", "@n", "S", 0.0, combine.placed),
    ("@", "#n", "S", 0.2, combine.without),
    ("BE", "@", "@b", 0.0, combine.second),
    ("L", "@b", "S", 0.0, combine.placed),
    ("@y", "L", "S", 0.3, combine.place_after),
    ("@y", "!", "S", 0.3, combine.doing),
    ("BE", "A", "Ab", 0.0, combine.second),
    ("BE", "Ad", "Ab", 0.0, combine.second),
    ("@", "Ab", "SA", 0.2, combine.predicate),
    ("BG", "@", "S", 0.0, combine.in_background),
    # Verbs
    ("V", "@", "VP", 0.2, combine.objects),
    ("VE", "@", "VP", 1.2, combine.objects),
    ("W", "B", "VP", 0.0, combine.objects),
    ("V", "L", "VP", 0.4, combine.place_after),
    ("VE", "L", "VP", 0.1, combine.place_after),
    ("VP", "L", "VP", 0.2, combine.place_after),
    ("L", "!", "VP", 0.2, combine.located),
    ("!", "!!", "VP", 0.25, combine.serial),
    ("ADV", "!", "VP", 0.2, combine.manner),
    ("!", "ADV", "VP", 0.3, combine.place_after),
    ("D", "!", "VP", 0.5, combine.second),
    ("A", "!", "VP", 1.2, combine.manner),
    ("A", "DI", "ADV", 0.0, combine.mannerly),
    ("!", "A+", "VP", 0.0, combine.manner_after),
    ("DEI", "A", "A+", 0.0, combine.second),
    ("ZAI", "!", "VP", 0.0, combine.second),
    ("NOT", "!", "VP", 0.3, combine.degree),
    ("@", "!", "S", 0.4, combine.doing),
    ("L", "VEP", "S", 0.0, combine.placed),
    ("VE", "@", "VEP", 0.1, combine.appears),
    ("N", "V", "X+", 0.3, combine.clause_with),
    ("N", "VE", "X+", 0.4, combine.clause_with),
    ("P", "V", "X+", 0.4, combine.clause_by),
    ("BI", "@", "THAN", 0.0, combine.second),
    ("THAN", "A", "X+", 0.0, combine.comparison),
    ("L", "A", "X+", 0.4, combine.place_after_adjective),
    ("X+", "DE", "X+d", 0.0, combine.same),
    ("X+d", "@", "@", 0.1, combine.placed),
    ("@", "X+", "S", 0.3, combine.place_after),
    ("BEI", "@", "BY", 0.1, combine.agent),
    ("BY", "!", "VP", 0.0, combine.passive),
    ("BEI", "!", "VP", 0.1, combine.passive_alone),
    ("BA", "@", "OBJ", 0.0, combine.second),
    ("OBJ", "!", "VP", 0.0, combine.object_first),
    ("FOR", "@", "FOR+", 0.0, combine.second),
    ("FOR+", "!", "VP", 0.0, combine.done_for),
    # Sentences
    ("@", "A", "SA", 0.4, combine.predicate),
    ("P", "SA", "S", 0.3, combine.having),
    ("N", "SA", "S", 0.6, combine.having),
    ("S", "VP", "S", 0.6, combine.doing),
    # Conjunctions
    ("C", "@", "@c", 0.0, combine.conjunction),
    ("@", "#c", "@", 0.2, combine.joined),
    ("C", "A", "Ac", 0.0, combine.conjunction),
    ("A", "Ac", "A", 0.1, combine.joined),
    ("Ad", "Ac", "A", 0.1, combine.joined),
    ("C", "!", "Vc", 0.0, combine.conjunction_doing),
    ("VP", "Vc", "VP", 0.2, combine.serial),
    ("C", "S", "Sc", 0.1, combine.conjunction),
    ("S", "Sc", "S", 0.3, combine.joined),
)
