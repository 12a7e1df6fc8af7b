import pytest

from models.files.hint_names import guess_hint


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("control_v11p_sd15_canny", "canny"),
        ("control_v11f1p_sd15_depth_fp16", "depth"),
        ("control_v11p_sd15_openpose", "pose"),
        ("control_v11p_sd15_normalbae", "normal"),
        ("control_v11f1e_sd15_tile", "tile"),
        ("control_sd15_hed", "softedge"),
        ("control_v11p_sd15s2_lineart_anime", "lineart"),
        ("controlnet-scribble-sdxl-1.0", "scribble"),
        ("control_v1p_sd15_qrcode_monster_v2", "qr"),
        ("control_v1p_sd15_brightness", "brightness"),
        ("diffusers_xl_canny_full", "canny"),
        ("thibaud_xl_OpenPose", "pose"),
        ("control_v11p_sd15_inpaint", None),
        ("canny_depth_mix", None),
        ("uncanny", None),
    ],
)
def test_word_of_the_name_is_the_hint(name: str, hint: str | None) -> None:
    assert guess_hint(name) == hint
