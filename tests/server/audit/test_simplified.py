from server.audit.simplified import character_pairs, simplified_characters


def test_the_most_frequent_form_counts() -> None:
    entries = [("乾淨", "干净"), ("乾杯", "干杯"), ("乾坤", "乾坤"), ("卡拉OK", "卡拉OK"), ("甚麼", "什么")]
    assert character_pairs(entries) == {"乾": "干", "淨": "净", "甚": "什", "麼": "么"}


def test_form_that_is_simplified_again_has_one_result() -> None:
    pairs = character_pairs([("麼", "么"), ("么", "幺")])
    assert pairs == {"麼": "幺", "么": "幺"}
    assert character_pairs([("a", "b"), ("b", "a")]).keys() == {"a", "b"}


def test_words_of_different_length_tell_nothing() -> None:
    assert character_pairs([("一二三", "四五")]) == {}


def test_dictionary_has_the_usual_characters() -> None:
    pairs = simplified_characters()
    assert "".join(pairs.get(each, each) for each in "強姦裸體屍塊紅色") == "强奸裸体尸块红色"
    assert not set(pairs) & set(pairs.values())
