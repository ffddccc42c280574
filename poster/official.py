"""The authors' state-dict keys for our clean names, one table per source, both ways.

Our names are rewritten into the official ones by ordered rules; the way back is the inverse over a model's own keys, so the
two cannot drift apart. The official files hold more than a model computes with (layers that are never called); those keys
are told apart by ``is_unused`` and kept under ``unused.`` when a file is converted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import TypeVar

_MOBILEFACENET = (
    (r"\.act\.", r".prelu."),
    (r"\.expand\.", r".conv."),
    (r"\.depthwise\.", r".conv_dw."),
    (r"^face_landback\.stem\.", r"face_landback.conv1."),
    (r"^face_landback\.stem_depthwise\.", r"face_landback.conv2_dw."),
    (r"^face_landback\.down1\.", r"face_landback.conv_23."),
    (r"^face_landback\.down2\.", r"face_landback.conv_34."),
    (r"^face_landback\.down3\.", r"face_landback.conv_45."),
    (r"^face_landback\.stage1\.", r"face_landback.conv_3.model."),
    (r"^face_landback\.stage2\.", r"face_landback.conv_4.model."),
    (r"^face_landback\.stage3\.", r"face_landback.conv_5.model."),
    (r"^face_landback\.last\.", r"face_landback.conv_6_sep."),
    (r"^face_landback\.landmark_head\.pool\.", r"face_landback.output_layer.conv_6_dw."),
    (r"^face_landback\.landmark_head\.", r"face_landback.output_layer."),
)
_IR_STEM = ((r"stem\.conv\.", r"input_layer.0."), (r"stem\.bn\.", r"input_layer.1."), (r"stem\.act\.", r"input_layer.2."))
_IR_UNIT = (
    (r"\.bn1\.", r".res_layer.0."),
    (r"\.conv1\.", r".res_layer.1."),
    (r"\.act\.", r".res_layer.2."),
    (r"\.conv2\.", r".res_layer.3."),
    (r"\.bn2\.", r".res_layer.4."),
    (r"\.shortcut\.conv\.", r".shortcut_layer.0."),
    (r"\.shortcut\.bn\.", r".shortcut_layer.1."),
)
_ADAFACE_UNIT = (
    (r"\.bn1\.", r".res_layer.0."),
    (r"\.conv1\.", r".res_layer.1."),
    (r"\.bn_inner\.", r".res_layer.2."),
    (r"\.act\.", r".res_layer.3."),
    (r"\.conv2\.", r".res_layer.4."),
    (r"\.bn2\.", r".res_layer.5."),
    (r"\.shortcut\.conv\.", r".shortcut_layer.0."),
    (r"\.shortcut\.bn\.", r".shortcut_layer.1."),
)
_ADAFACE = ((r"^neck\.bn\.", r"output_layer.0."), (r"^neck\.linear\.", r"output_layer.3."), (r"^neck\.bn_out\.", r"output_layer.4."))
_POSTER = (
    (r"^image_proj\.", r"ir_layer."),
    (r"^pos_embed$", r"pyramid_fuse.pos_embed"),
    (r"^to_medium\.", r"pyramid_fuse.downsample_m."),
    (r"^to_small\.", r"pyramid_fuse.downsample_s."),
    (r"^norm\.", r"pyramid_fuse.norm."),
    (r"^blocks\.", r"pyramid_fuse.blocks."),
    (r"\.large\.", r".block_l."),
    (r"\.medium\.", r".block_m."),
    (r"\.small\.", r".block_s."),
    (r"\.medium_to_large\.", r".upsample_m."),
    (r"\.small_to_medium\.", r".upsample_s."),
    (r"\.norm_image\.", r".norm1."),
    (r"\.norm_image_mlp\.", r".norm2."),
    (r"\.norm_landmark\.", r".norm3."),
    (r"\.norm_landmark_mlp\.", r".norm4."),
    (r"\.attn_image\.", r".attn_img."),
    (r"\.attn_landmark\.", r".attn_lm."),
    (r"\.mlp_image\.", r".mlp1."),
    (r"\.mlp_landmark\.", r".mlp2."),
    (r"\.mix\.", r".conv."),
    (r"^gate\.", r"se_block."),
    (r"^head\.(weight|bias)$", r"head.linear.\1"),
)
_POSTERPP = (
    (r"^align3\.", r"last_face_conv."),
    (r"^embed1\.", r"embed_q."),
    (r"^embed2\.", r"embed_k.0."),
    (r"^embed3\.", r"embed_v.proj."),
    (r"^(cls_token|pos_embed)$", r"VIT.\1"),
    (r"^(blocks|norm)\.", r"VIT.\1."),
    (r"^gate\.", r"VIT.se_block."),
    (r"^head\.(weight|bias)$", r"VIT.head.linear.\1"),
    (r"^head\.", r"VIT.head."),
)
_POSTERPP_LEVEL = {
    "down": "conv{n}",
    "norm1": "window{n}.norm",
    "attn.bias_table": "attn{n}.relative_position_bias_table",
    "attn.kv": "attn{n}.qkv",
    "attn.proj": "attn{n}.proj",
    "gamma1": "ffn{n}.gamma1",
    "gamma2": "ffn{n}.gamma2",
    "norm2": "ffn{n}.norm",
    "mlp": "ffn{n}.mlp",
}

# Keys of the official files whose layers the authors' forward pass never calls (or whose result it drops).
_UNUSED = re.compile(
    r"^(ir_back\.output_layer\..+|face_landback\.output_layer\..+|pyramid_fuse\.cls_token"
    r"|VIT\.(patch_embed|CON1|IRLinear[12]|eca_block)\..+|VIT\.blocks\.\d+\.conv\..+|attn[123]\.relative_position_index|head\.t|.*\.head\.t)$"
)


def is_unused(official_key: str) -> bool:
    """Whether the official network carries this entry without computing with it."""
    return _UNUSED.match(official_key) is not None


def official_names(architecture: str, keys: Iterable[str]) -> dict[str, str]:
    """Our key -> the authors' key, for every key of a model of this architecture (``poster_large``, ``posterpp``, ``adaface_ir50``...)."""
    keys = list(keys)
    translate = _adaface_key if architecture.startswith("adaface") else _posterpp_key if architecture.startswith("posterpp") else _poster_key
    starts = _stage_starts(keys)
    return {key: translate(key, starts) for key in keys}


T = TypeVar("T")


def to_ours(architecture: str, official: Mapping[str, T], keys: Iterable[str]) -> tuple[dict[str, T], dict[str, T]]:
    """Rename an official state dict; ``keys`` are our model's. Returns (entries by our names, the entries that fit none of them)."""
    back = {theirs: ours for ours, theirs in official_names(architecture, keys).items()}
    return {back[key]: value for key, value in official.items() if key in back}, {key: value for key, value in official.items() if key not in back}


def _stage_starts(keys: Iterable[str]) -> list[int]:
    """Where each stage begins in the authors' flat list of IR units."""
    units = {(int(m[1]), int(m[2])) for key in keys if (m := re.search(r"(?:^|\.)stages\.(\d+)\.(\d+)\.", key))}
    depths = [sum(stage == s for s, _ in units) for stage in range(1 + max((s for s, _ in units), default=-1))]
    return [0, *accumulate(depths)]


def _rewrite(key: str, rules: Iterable[tuple[str, str]]) -> str:
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key


def _ir_key(key: str, unit: Iterable[tuple[str, str]], starts: list[int], flat: bool) -> str:
    if "stages." not in key:
        return _rewrite(key, _IR_STEM)
    key = _rewrite(key, unit)
    if flat:
        return re.sub(r"stages\.(\d+)\.(\d+)\.", lambda m: f"body.{starts[int(m[1])] + int(m[2])}.", key)
    return re.sub(r"stages\.(\d+)\.", lambda m: f"body{int(m[1]) + 1}.", key)


def _stream_key(key: str, starts: list[int], flat: bool) -> str | None:
    if key.startswith("landmark_stream."):
        return _rewrite("face_landback." + key.removeprefix("landmark_stream."), _MOBILEFACENET)
    if key.startswith("image_stream."):
        return _ir_key("ir_back." + key.removeprefix("image_stream."), _IR_UNIT, starts, flat)
    return None


def _poster_key(key: str, starts: list[int]) -> str:
    return _stream_key(key, starts, flat=True) or _rewrite(key, _POSTER)


def _posterpp_key(key: str, starts: list[int]) -> str:
    if stream := _stream_key(key, starts, flat=False):
        return stream
    if level := re.match(r"levels\.(\d)\.(.+)$", key):
        name, rest = next((new, level[2][len(old) :]) for old, new in _POSTERPP_LEVEL.items() if re.match(re.escape(old) + r"(\.|$)", level[2]))
        return name.format(n=int(level[1]) + 1) + rest
    return _rewrite(key, _POSTERPP)


def _adaface_key(key: str, starts: list[int]) -> str:
    if key.startswith("trunk."):
        return _ir_key(key.removeprefix("trunk."), _ADAFACE_UNIT, starts, flat=True)
    return _rewrite(key, _ADAFACE)
