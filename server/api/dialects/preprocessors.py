"""The names that A1111's ControlNet extension has for preprocessors, which other APIs use as well."""

from __future__ import annotations

from collections.abc import Mapping

PREPROCESSORS: Mapping[str, str] = {
    "canny": "canny",
    "depth": "depth",
    "depth_midas": "depth",
    "depth_leres": "depth",
    "depth_leres++": "depth",
    "depth_zoe": "depth",
    "depth_anything": "depth",
    "depth_anything_v2": "depth",
    "openpose": "pose",
    "openpose_full": "pose",
    "openpose_hand": "pose",
    "openpose_face": "pose",
    "openpose_faceonly": "pose",
    "dw_openpose_full": "pose",
    "mlsd": "mlsd",
    "hed": "softedge",
    "softedge_hed": "softedge",
    "softedge_hedsafe": "softedge",
    "softedge_pidinet": "softedge",
    "softedge_pidisafe": "softedge",
    "pidinet": "softedge",
    "lineart": "lineart",
    "lineart_realistic": "lineart",
    "lineart_coarse": "lineart",
    "lineart_standard": "lineart",
    "lineart_anime": "lineart",
    "scribble": "scribble",
    "scribble_hed": "scribble",
    "scribble_pidinet": "scribble",
    "scribble_xdog": "scribble",
    "tile": "tile",
    "tile_resample": "tile",
    "normal": "normal",
    "normal_bae": "normal",
    "normalbae": "normal",
    "qr": "qr",
    "brightness": "brightness",
}
"""The kind of map that each preprocessor draws; several draw the same kind here, by one net."""
