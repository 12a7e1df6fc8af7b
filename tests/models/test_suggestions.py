from models.suggestions import MAX_LENGTH, did_you_mean


def test_did_you_mean_names_the_closest_known_name() -> None:
    assert did_you_mean("hieght", ["width", "height", "weight"]) == "did you mean height?"


def test_did_you_mean_is_none_if_nothing_is_close() -> None:
    assert did_you_mean("zzz", ["width", "height"]) is None


def test_did_you_mean_shows_labels_instead_of_known_names() -> None:
    assert did_you_mean("eular", ["euler"], labels={"euler": "Euler"}) == "did you mean Euler?"


def test_cutoff_lets_less_similar_names_count() -> None:
    assert did_you_mean("abxy", ["abcd"]) is None
    assert did_you_mean("abxy", ["abcd"], cutoff=0.5) == "did you mean abcd?"


def test_very_long_name_is_not_compared() -> None:
    assert did_you_mean("height" + "t" * MAX_LENGTH, ["height"], cutoff=0.01) is None
