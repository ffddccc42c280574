"""What weights cannot say - label order, channel order - proposed from where the file comes from, with how sure that is and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from poster.contract import IMAGENET_MEAN, IMAGENET_STD, ModelContract
from poster.errors import CheckpointError
from poster.labels import ORDERS, order, order_name
from poster.origin import Origin

DLRP = "deep-learning-reproducibility-project"  # daunnn's POSTER++ on lower faces: the only published files with three classes

# Layout -> where such files come from.
SOURCES = {
    "poster": "POSTER (zczcwh/POSTER)",
    "poster-imagefolder": "POSTER's network trained with POSTER++'s ImageFolder script",
    "posterpp": "POSTER++ (Talented-Q/POSTER_V2)",
    DLRP: "POSTER++ on lower faces (daunnn/Deep-Learning-Reproducibility-Project)",
    "adaface": "AdaFace (mk-minchul/AdaFace), released layout",
    "adaface-lightning": "AdaFace (mk-minchul/AdaFace), Lightning checkpoint",
    "ours": "this project",
}
_EPOCH_ON_TEST = ("poster", "posterpp", "poster-imagefolder", DLRP)


@dataclass(frozen=True)
class Guess:
    """A proposed order: its name if it has one, what is in it, whether it is certain, and the reason."""

    order: str | None
    names: tuple[str, ...]
    sure: bool
    why: str


def guess_labels(architecture: str, num_classes: int, layout: str, contract: ModelContract | None = None, origin: Origin | None = None) -> Guess:
    """The label order such a file most likely has. Sure only where the file carries its contract and nobody assumed this part of it."""
    if contract is not None:
        return Guess(order_name(contract.labels), contract.labels, *_carried("labels", origin))
    if num_classes == 0:
        return Guess(None, (), True, "the network has no expression head")
    name, why = _likely_order(architecture, num_classes, layout)
    return Guess(name, ORDERS[name] if name else (), False, why)


def _likely_order(architecture: str, num_classes: int, layout: str) -> tuple[str | None, str]:
    if num_classes not in (7, 8):
        if layout == DLRP:
            return None, "its three ImageFolder classes are folders named E01 to E03, whose expressions were not published; name them with --labels"
        return None, f"no benchmark known here has {num_classes} classes; name them with --labels"
    affectnet = f"affectnet-{num_classes}"
    if architecture.endswith("_affectnet"):
        return affectnet, "POSTER's AffectNet code, the one without a token convolution, numbers the classes so"
    if layout == "poster" and num_classes == 7:
        return "raf-db", "POSTER's RAF-DB code, the one with a token convolution in every block, uses RAF-DB's labels 1 to 7 minus 1"
    if layout in ("posterpp", "poster-imagefolder") and num_classes == 7:
        return "raf-db", (
            "POSTER++'s script takes the sorted folder names: RAF-DB's folders 1 to 7 give this order, "
            "AffectNet's 0 to 6 would give affectnet-7, folders named by words caer-s; the weights cannot tell"
        )
    if architecture == "posterpp_nano":
        return ("ferplus" if num_classes == 8 else "ferplus-7"), "this architecture's recipe trains on FERPlus"
    if num_classes == 8:
        return affectnet, "eight classes in the sorted folder order 0 to 7 are AffectNet's; FERPlus has eight too, in another order"
    return "raf-db", "a guess from the number of classes alone"


def guess_channels(architecture: str, layout: str, contract: ModelContract | None = None, origin: Origin | None = None) -> Guess:
    """The channel order such a network was most likely fed."""
    if contract is not None:
        return Guess(contract.channels, (contract.channels,), *_carried("channels", origin))
    if architecture.startswith("adaface"):
        name, why = "bgr", "AdaFace's code feeds BGR"
    elif layout == "poster" and not architecture.endswith("_affectnet"):
        name, why = "bgr", "POSTER's RAF-DB loader feeds BGR: its conversion to RGB is commented out"
    elif layout == "poster":
        name, why = "rgb", "POSTER's AffectNet loader converts to RGB"
    elif layout == "ours":
        name, why = "rgb", "the usual order; the file carries no contract"
    else:
        name, why = "rgb", "POSTER++'s script reads pictures with torchvision's ImageFolder, which gives RGB"
    return Guess(name, (name,), False, why)


def _carried(part: str, origin: Origin | None) -> tuple[bool, str]:
    """(sure, why) for a part of the file's own contract."""
    if origin is not None and part in origin.assumed:
        return False, f"assumed when the file was converted; name the {part} with `python -m poster convert --{part} ...` to settle it"
    return True, "the file carries its contract"


def make_contract(architecture: str, head: str, layout: str, input_size: int, labels: Guess, channels: Guess) -> ModelContract:
    """The contract of a recognised file. Raises CheckpointError where the labels have to be named by the user."""
    if not labels.names and not labels.sure:
        raise CheckpointError(f"the label order is not known ({labels.why}); use `python -m poster convert FILE OUT.safetensors --labels a,b,c`")
    half = (0.5, 0.5, 0.5)
    mean, std = (half, half) if architecture.startswith("adaface") else (IMAGENET_MEAN, IMAGENET_STD)
    return ModelContract(
        architecture, labels.names, input_size, str(channels.order), mean, std, head=head if labels.names else "none", source=SOURCES.get(layout, "unknown")
    )


def chosen_labels(text: str, num_classes: int) -> Guess:
    """The user's own order for a head of ``num_classes``: a name ("raf-db") or a list ("neutral,happiness,...")."""
    try:
        names = order(text)
    except ValueError as error:
        raise CheckpointError(f"--labels: {error}") from error
    if len(names) != num_classes:
        raise CheckpointError(f"--labels names {len(names)} classes but the head has {num_classes}; give one label for each, in the head's order")
    return Guess(order_name(names), names, True, "given with --labels")


def warnings_about(layout: str, head: str, extras: Mapping[str, Any], labels: Guess, channels: Guess, unused: int, dtypes: set[str]) -> tuple[str, ...]:
    """What a user of this file should know, one sentence each."""
    found = []
    if head == "none":
        found.append("The network has no expression head; it can only be evaluated as an embedding.")
    if not labels.sure:
        found.append(f"The label order is {'a proposal' if labels.order else 'unknown'}: {labels.why}. Scores by class are wrong if it is wrong.")
    if not channels.sure:
        found.append(f"The channel order {channels.order} is a proposal: {channels.why}.")
    if layout in _EPOCH_ON_TEST and extras:
        found.append("The training script picks its best epoch on the test set, so an accuracy quoted with this file is optimistic.")
    if layout in _EPOCH_ON_TEST:
        found.append("The script leaves the frozen landmark stream in training mode, so its BatchNorm statistics belong to this file and to no other.")
    if layout == DLRP:
        found.append("Trained on the lower half of the face, padded to a square: whole faces are not what it learned from.")
    if extras.get("optimizer"):
        found.append("The file also holds an optimizer's state, which is left out.")
    if unused:
        found.append(f"{unused} entries belong to layers that the authors' forward pass never calls; they are kept aside and not loaded.")
    if head == "arcface":
        found.append("ArcFace and CosFace heads look alike in the weights and classify alike; only training tells them apart.")
    if dtypes - {"F32", "I64"}:
        found.append(f"Weights are stored as {', '.join(sorted(dtypes - {'I64'}))}; the model computes in float32.")
    return tuple(found)
