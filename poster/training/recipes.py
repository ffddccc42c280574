"""The recipes there are: both papers' as their official scripts run, POSTER with margin heads, the lower face, and ours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from poster.contract import ModelContract
from poster.face import FER2013_MARGIN
from poster.labels import ORDERS
from poster.training.recipe import PLAIN, Augmentation, Head, Recipe

NANO_CONTRACT = ModelContract(
    architecture="posterpp_nano",
    labels=ORDERS["ferplus"],
    input_size=48,
    channels="grey",
    mean=(0.51, 0.51, 0.51),
    std=(0.25, 0.25, 0.25),
    crop=FER2013_MARGIN,
    source="trained from scratch on FERPlus by this project",
    licence="research only (FER2013 pictures)",
)

LIGHTER = Augmentation(rotation=10.0, scale=0.12, shift=0.05, low_resolution=0.15, noise=0.1, erase=0.15)

# What the official scripts have in common: SAM over Adam, no weight decay, the learning rate times 0.98 an epoch, no average, float32.
_OFFICIAL = Recipe(
    name="",
    architecture="",
    target="labels",
    epochs=200,
    batch_size=144,
    optimizer="adam",
    sam=0.05,
    lr=3.5e-5,
    schedule="exponential",
    weight_decay=0.0,
    warmup_epochs=0.0,
    ramp_epochs=0.0,
    ema=0.0,
    clip_norm=0.0,
    class_balance=0.0,
    auxiliary=0.0,
    bf16=False,
)


def _official(name: str, architecture: str, dataset: str, labels: str, about: str, reproduces: tuple[str, ...] = (), **values: Any) -> Recipe:
    channels = "bgr" if architecture.startswith("poster_") and dataset == "raf-db" else "rgb"  # POSTER's RAF-DB loader leaves OpenCV's order
    contract = ModelContract(architecture=architecture, labels=ORDERS[labels], channels=channels, source=f"trained by the recipe {name}")
    return replace(_OFFICIAL, name=name, architecture=architecture, dataset=dataset, about=about, reproduces=reproduces, contract=contract, **values)


_POSTER = replace(PLAIN, gaussian=0.25, erasing=0.5)  # its loader picks mirror or noise for every second picture
_POSTERPP = replace(PLAIN, erasing=0.5)
_POSTERPP_FIXED = replace(PLAIN, erasing=1.0, erasing_min=0.05, erasing_max=0.05)
_POSTER_VALUES: dict[str, Any] = {"target": "poster", "epochs": 300, "batch_size": 200, "lr": 4e-5, "augmentation": _POSTER, "seed": 123}
_POSTER_AFFECTNET: dict[str, Any] = {**_POSTER_VALUES, "lr": 2e-6, "class_balance": 1.0}
_POSTERPP_AFFECTNET: dict[str, Any] = {"augmentation": _POSTERPP_FIXED, "lr": 1e-6, "class_balance": 1.0}


def _margin(name: str, architecture: str, head: Head, *reproduces: str) -> Recipe:
    about = f"POSTER with the head {head.kind}, margin {head.margin:g}, scale {head.scale:g}, quality from the {head.quality} feature"
    return _official(f"{name}_raf_db", architecture, "raf-db", "raf-db", about, reproduces, **{**_POSTER_VALUES, "target": "labels", "head": head})


def _by_name(*recipes: Recipe) -> dict[str, Recipe]:
    return {recipe.name: recipe for recipe in recipes}


_NO_SCRIPT = "on FERPlus; no official script exists"
_TWO_TUTORS = NANO_CONTRACT.replace(
    source="trained on FERPlus by this project, under tutors that began as dlib's and InsightFace's face recognition networks",
    licence="research only (FER2013 pictures; a tutor made from InsightFace's weights)",
    mirror=True,
)
_LOWER: dict[str, Any] = {"region": "lower", "augmentation": PLAIN}
_FURTHER: dict[str, Any] = {"warmup_epochs": 0.5, "ramp_epochs": 0.0, "auxiliary": 0.0, "compile": True}  # of ours that begin with trained weights
RECIPES = _by_name(
    Recipe("posterpp_nano", "posterpp_nano", "ours: both streams narrow, 48 x 48 grey, soft votes", contract=NANO_CONTRACT),
    Recipe(
        "posterpp_nano_longer",
        "posterpp_nano",
        "ours: posterpp_nano taken further (--start) with somewhat weaker augmentation",
        contract=NANO_CONTRACT,
        epochs=23,
        lr=6e-4,
        **_FURTHER,
        seed=2,
        rare_cost=0.002,
        augmentation=LIGHTER,
    ),
    Recipe(
        "face_resnet",
        "face_resnet",
        "ours, a tutor: dlib's face recognition network (--backbone) learns expressions",
        contract=NANO_CONTRACT.replace(architecture="face_resnet", source="dlib's face recognition network, trained further on FERPlus by this project"),
        epochs=14,
        lr=6e-4,
        **_FURTHER,
        ema=0.998,
        freeze_landmarks=False,
        augmentation=LIGHTER,
    ),
    Recipe(
        "face_mobile",
        "face_mobile",
        "ours, a tutor: InsightFace's small face recognition network (--backbone) learns expressions",
        contract=NANO_CONTRACT.replace(
            architecture="face_mobile",
            source="InsightFace's small face recognition network, trained further on FERPlus by this project",
            licence="research only (FER2013 pictures; InsightFace's weights)",
        ),
        epochs=6,
        lr=5e-4,
        **_FURTHER,
        ema=0.998,
        freeze_landmarks=False,
        seed=5,
        augmentation=LIGHTER,
    ),
    Recipe(
        "posterpp_nano_taught",
        "posterpp_nano",
        "ours: posterpp_nano taken further (--start) under a tutor (--tutor)",
        contract=NANO_CONTRACT.replace(source="trained on FERPlus by this project, under a tutor that began as dlib's face recognition network"),
        epochs=14,
        lr=5e-4,
        **_FURTHER,
        seed=4,
        rare_cost=0.002,
        tutor_share=0.5,
    ),
    Recipe(
        "posterpp_nano_both_ways",
        "posterpp_nano",
        "ours: posterpp_nano taken further (--start) under a tutor (--tutor); it answers with the mean of a face and its mirror image",
        contract=_TWO_TUTORS,
        epochs=12,
        lr=5e-4,
        **_FURTHER,
        seed=21,
        rare_cost=0.002,
        tutor_share=0.7,
        augmentation=Augmentation(mixup=0.3),
    ),
    Recipe(
        "posterpp_nano_steady",
        "posterpp_nano",
        "ours: posterpp_nano taken further (--start) to answer in any light and blur as it, or another tutor (--tutor), answers to the picture as it is",
        contract=_TWO_TUTORS,
        epochs=8,
        lr=5e-4,
        **{**_FURTHER, "compile": False},
        seed=22,
        rare_cost=0.001,
        tutor_share=0.5,
        tutor_plain=True,
        augmentation=Augmentation(light=0.3, low_resolution=0.35, mixup=0.3),
    ),
    Recipe(
        "posterpp_nano_mean",
        "posterpp_nano",
        "ours: the mean of the weights of trained posterpp_nanos (--start, several) that went on from the same one",
        contract=NANO_CONTRACT.replace(source="trained on FERPlus by this project, under a tutor that began as dlib's face recognition network"),
        epochs=0,
        rare_cost=0.002,
    ),
    Recipe(
        "posterpp_nano_steady_mean",
        "posterpp_nano",
        "ours: the mean of the weights of posterpp_nano_both_ways and of posterpp_nano_steady that went on from it (--start, both)",
        contract=_TWO_TUTORS,
        epochs=0,
        rare_cost=0.001,
    ),
    Recipe(
        "posterpp_nano_fitted_mean",
        "posterpp_nano",
        "ours, shipped: the mean of the weights of posterpp_nano_steadys and of what they went on from (--start, each), its bias fitted to PublicTest",
        contract=_TWO_TUTORS,
        epochs=0,
        bias_cost=0.003,
    ),
    _official("poster_small_raf_db", "poster_small", "raf-db", "raf-db", "POSTER, train.py", ("POSTER-s",), **_POSTER_VALUES),
    _official("poster_base_raf_db", "poster_base", "raf-db", "raf-db", "POSTER, train.py", ("POSTER-m",), **_POSTER_VALUES),
    _official("poster_large_raf_db", "poster_large", "raf-db", "raf-db", "POSTER, train.py", ("POSTER", "POSTER-l"), **_POSTER_VALUES),
    _official("poster_large_affectnet_7", "poster_large_affectnet", "affectnet-7", "affectnet-7", "POSTER, train_affect.py", ("POSTER",), **_POSTER_AFFECTNET),
    _official("poster_large_affectnet_8", "poster_large_affectnet", "affectnet-8", "affectnet-8", "POSTER, train_affect.py", ("POSTER",), **_POSTER_AFFECTNET),
    _official("poster_small_ferplus", "poster_small", "ferplus", "ferplus", f"POSTER {_NO_SCRIPT}", **_POSTER_VALUES),
    _official("poster_large_ferplus", "poster_large", "ferplus", "ferplus", f"POSTER {_NO_SCRIPT}", ("POSTER",), **_POSTER_VALUES),
    _official("posterpp_raf_db", "posterpp", "raf-db", "raf-db", "POSTER++, main.py", ("POSTER++",), augmentation=_POSTERPP),
    _official("posterpp_caer_s", "posterpp", "caer-s", "caer-s", "POSTER++, main.py", ("POSTER++",), augmentation=_POSTERPP_FIXED, lr=4e-5),
    _official("posterpp_affectnet_7", "posterpp", "affectnet-7", "affectnet-7", "POSTER++, main.py", ("POSTER++",), **_POSTERPP_AFFECTNET),
    _official("posterpp_affectnet_8", "posterpp", "affectnet-8", "affectnet-8", "POSTER++, main_8.py", ("POSTER++",), **_POSTERPP_AFFECTNET),
    _official("posterpp_ferplus", "posterpp", "ferplus", "ferplus", f"POSTER++ {_NO_SCRIPT}", augmentation=_POSTERPP),
    _margin("poster_ada_small", "poster_small", Head("adaface", 0.4), "POSTER-Ada-s (m=0.4)"),
    _margin("poster_ada_base", "poster_base", Head("adaface", 0.4), "POSTER-Ada-m (m=0.4)"),
    _margin("poster_ada_small_m075", "poster_small", Head("adaface", 0.75), "POSTER-Ada-s (m=0.75)"),
    _margin("poster_ada_small_mlp", "poster_small", Head("adaface", 0.4, quality="mlp"), "POSTER-Ada-s + MLP (m=0.4)"),
    _margin("poster_ada_small_image", "poster_small", Head("adaface", 0.4, quality="image"), "POSTER-Ada-s + IR features (m=0.4)"),
    _margin("poster_arc_small", "poster_small", Head("arcface", 0.4)),
    _margin("poster_cos_small", "poster_small", Head("cosface", 0.35)),
    _official("posterpp_lower_face", "posterpp", "aihub-korean", "alphabetical-7", "the lower half, as under a headset", ("POSTER++ (lower face)",), **_LOWER),
    _official(
        "posterpp_lower_face_augmented",
        "posterpp",
        "aihub-korean",
        "alphabetical-7",
        "the lower half, augmented",
        **(_LOWER | {"augmentation": replace(Augmentation(), erasing=0.5)}),
    ),
)
