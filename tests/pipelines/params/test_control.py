import pytest

from pipelines.params.control import AnnotatorParams, canonical_hint, prefer_base_model, refuse_empty_interval


def test_resolution_depends_on_the_hint_unless_it_is_set() -> None:
    assert AnnotatorParams().drawing("canny").resolution == 512
    assert AnnotatorParams().drawing("depth").resolution == 384
    assert AnnotatorParams(detect_resolution=768).drawing("depth").resolution == 768


def test_aliases_of_hints_are_resolved() -> None:
    assert [canonical_hint(hint) for hint in ("openpose", "canny", "my-net")] == ["pose", "canny", "my-net"]


def test_base_model_takes_precedence_over_model_and_version() -> None:
    assert prefer_base_model({"model": "a", "version": "b", "base_model": "c"}) == {"base_model": "c"}
    assert prefer_base_model({"model": "a"}) == {"model": "a"}


def test_empty_interval_is_refused_with_advice() -> None:
    refuse_empty_interval("start", 0.2, "end", 0.4)
    with pytest.raises(ValueError, match=r"start 0\.4 is not before end 0\.4; lower it, or raise end"):
        refuse_empty_interval("start", 0.4, "end", 0.4)
