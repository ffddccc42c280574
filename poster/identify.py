"""What a checkpoint is, from the names and shapes of its entries alone: architecture, classes, head, who wrote it, what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import prod

from poster.contract import METADATA_KEY, ModelContract
from poster.labels import EXPRESSIONS
from poster.layouts import Layout, Shape, layouts
from poster.official import is_unused, official_names
from poster.origin import Origin
from poster.proposal import DLRP, Guess, guess_channels, guess_labels, warnings_about
from poster.reading import Contents

PREFIXES = ("module.", "model.", "_orig_mod.")  # DataParallel, Lightning, torch.compile
UNUSED = "unused."  # where our files keep entries that the authors' files have and no forward pass reads
MAX_CLASSES = len(EXPRESSIONS)
SHOWN = 5  # differing entries in a message
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked", "relative_position_index", "t", "batch_mean", "batch_std")
_STRANGER = "the file holds another network: most of its entries belong to none of the architectures known here, which are POSTER, POSTER++ and AdaFace"
_RECOGNITION_HEAD = ("head.kernel", "head.weight", "head.batch_mean", "head.batch_std")


@dataclass(frozen=True)
class Identity:
    """What was recognised.

    architecture: the registered one that fits exactly, else None; then ``problem`` says why in one sentence and ``nearest`` is the likeliest.
    num_classes: 0 for a recognition network. head: linear, adaface, arcface, cosface or none. layout: whose files look like this.
    prefix: what stood before every key. names: key in the file -> our key, ``unused.`` in front where no model reads it
    (keys unchanged, apart from the prefix, where nothing near was recognised). differing: what is wrong against ``nearest``, entry by entry.
    parameters: in the file, never-called layers included, as papers count; parameters_used: of the layers that compute.
    """

    architecture: str | None
    num_classes: int
    head: str
    layout: str
    prefix: str
    names: Mapping[str, str]
    labels: Guess
    channels: Guess
    parameters: int
    parameters_used: int
    warnings: tuple[str, ...]
    contract: ModelContract | None = None
    origin: Origin | None = None
    nearest: str | None = None
    differing: tuple[str, ...] = ()
    problem: str | None = None
    is_near: bool = True


@dataclass(frozen=True)
class _Match:
    """One architecture with one head under one naming, held against the file. names: key (without prefix) -> our key."""

    layout: Layout
    official: bool
    head: str
    num_classes: int
    names: Mapping[str, str]
    known: int
    fitting: int
    differing: tuple[str, ...]


def identify(contents: Contents) -> Identity:
    """Recognise a checkpoint. An unknown one is no error here: ``problem`` says what it is nearest to.

    Raises CheckpointError only for a safetensors file whose own contract is malformed.
    """
    raw, prefix = strip_prefix(contents.entries)
    shapes = {key: contents.entries[name][1] for key, name in raw.items()}
    whole = {key for key, name in raw.items() if contents.entries[name][0] in ("I64", "I32", "I16", "I8", "U8", "BOOL")}
    contract = ModelContract.from_metadata(contents.metadata) if METADATA_KEY in contents.metadata else None
    candidates = [layouts()[contract.architecture]] if contract is not None and contract.architecture in layouts() else layouts().values()
    best = max((_match(layout, official, shapes, whole) for layout in candidates for official in _namings(layout)), key=_likeness)
    mistake = _named_mistake(shapes)
    recognised = mistake is None and 2 * best.known >= len(shapes)
    problem = mistake or _misfit(best, contract) if recognised else mistake or _STRANGER
    near = recognised and best.fitting > len(best.differing)
    names = {name: (best.names.get(key, key if key.startswith(UNUSED) else UNUSED + key) if near else key) for key, name in raw.items()}
    layout = _source(best, contents) if recognised else "unknown"
    head = best.head
    if contract is not None and {contract.head, head} == {"arcface", "cosface"}:
        head = contract.head
    origin = Origin.from_metadata(contents.metadata)
    labels = guess_labels(best.layout.name, best.num_classes, layout, contract, origin)
    channels = guess_channels(best.layout.name, layout, contract, origin)
    unused = sum(name.startswith(UNUSED) for name in names.values())
    return Identity(
        architecture=best.layout.name if problem is None else None,
        num_classes=best.num_classes,
        head=head,
        layout=layout,
        prefix=prefix,
        names=names,
        labels=labels,
        channels=channels,
        parameters=sum(prod(shape) for key, shape in shapes.items() if key.rpartition(".")[2] not in _BUFFERS),
        parameters_used=sum(prod(shapes[key]) for key in best.names if key in shapes and key.rpartition(".")[2] not in _BUFFERS),
        warnings=() if problem else warnings_about(layout, head, contents.extras, labels, channels, unused, {dtype for dtype, _ in contents.entries.values()}),
        contract=contract,
        origin=origin,
        nearest=best.layout.name if recognised else None,
        differing=best.differing,
        problem=problem,
        is_near=near,
    )


def strip_prefix(keys: Iterable[str]) -> tuple[dict[str, str], str]:
    """(key without prefix -> key, the prefix). AdaFace's Lightning files have ``model.`` before the network and ``head.`` beside it."""
    raw, prefix = {key: key for key in keys}, ""
    while found := next((p for p in PREFIXES if all(key.startswith(p) and key != p for key in raw)), None):
        raw, prefix = {key.removeprefix(found): name for key, name in raw.items()}, prefix + found
    if any(key.startswith("model.") for key in raw) and all(key.startswith(("model.", "head.")) for key in raw):
        stripped = {key.removeprefix("model."): name for key, name in raw.items()}
        if len(stripped) == len(raw):
            raw, prefix = stripped, prefix + "model."
    return raw, prefix


def _namings(layout: Layout) -> tuple[bool, ...]:
    """Whether to look under our names (False) and under the authors' (True); nobody else's files hold our own small network."""
    return (False,) if layout.name == "posterpp_nano" else (False, True)


@cache
def _official_body(architecture: str) -> dict[str, str]:
    return official_names(architecture, layouts()[architecture].entries)


def _match(layout: Layout, official: bool, shapes: Mapping[str, Shape], whole: set[str]) -> _Match:
    """Compare the file with one architecture, by our names or by the authors'."""

    def named(keys: Iterable[str]) -> dict[str, str]:
        return official_names(layout.name, keys) if official else {key: key for key in keys}

    recognition = layout.name.startswith("adaface")
    head, num_classes = _head(named(("head.weight", "head.kernel", "head.batch_mean", "head.batch_std")), shapes, recognition)
    entries = {**layout.entries, **layout.head(head, num_classes)}
    theirs = {**(_official_body(layout.name) if official else named(layout.entries)), **named(layout.head(head, num_classes))}
    differing, fitting = [], 0
    for key, shape in entries.items():
        name = theirs[key]
        if name not in shapes:
            differing.append(f"{name} is missing")
        elif shapes[name] != shape or (name in whole) != name.endswith("num_batches_tracked"):
            differing.append(f"{name} is {_size(shapes[name])} and not {_size(shape)}" if shapes[name] != shape else f"{name} has whole numbers")
        else:
            fitting += 1
    names = {name: key for key, name in theirs.items()}
    aside = {key for key in shapes if (is_unused(key) if official else key.startswith(UNUSED))}
    if recognition and official and head == "none":
        aside |= shapes.keys() & set(_RECOGNITION_HEAD)
    differing += [f"{key} is not part of it" for key in shapes if key not in names and key not in aside]
    known = sum(key in names or key in aside for key in shapes)
    return _Match(layout, official, head, num_classes, names, known, fitting, tuple(differing))


def _likeness(match: _Match) -> tuple[int, int]:
    """First how many of the file's keys the architecture knows by name, then how few entries differ."""
    return (match.known, -len(match.differing))


def _head(theirs: Mapping[str, str], shapes: Mapping[str, Shape], recognition: bool) -> tuple[str, int]:
    """(kind of head, classes). More columns than there are expressions are identities: a recognition head, which is no head here."""
    weight, kernel = shapes.get(theirs["head.weight"]), shapes.get(theirs["head.kernel"])
    if kernel is not None and len(kernel) == 2:
        kind, classes = "adaface" if theirs["head.batch_mean"] in shapes and theirs["head.batch_std"] in shapes else "arcface", kernel[1]
    elif weight is not None and len(weight) == 2:
        kind, classes = "linear", weight[0]
    else:
        return ("none", 0) if recognition else ("linear", 7)
    return ("none", 0) if recognition and classes > MAX_CLASSES else (kind, classes)


def _misfit(best: _Match, contract: ModelContract | None) -> str | None:
    """Why the best match is not enough, None when it is."""
    if best.differing:
        few = "; ".join(best.differing[:SHOWN]) + ("; ..." if len(best.differing) > SHOWN else "")
        classes = f" with {best.num_classes} classes" if best.num_classes else ""
        return f"the file fits no architecture exactly; the nearest is {best.layout.name}{classes}, of which {len(best.differing)} entries differ: {few}"
    if best.head != "none" and not 2 <= best.num_classes <= MAX_CLASSES:
        return f"the head has {best.num_classes} classes; expression heads have 2 to {MAX_CLASSES}"
    if contract is not None:
        return _contradiction(best, contract)
    return None


def _contradiction(best: _Match, contract: ModelContract) -> str | None:
    """Where a file's own contract, which anybody may have written, says something else than its weights."""
    stated = {"architecture": contract.architecture, "classes": contract.num_classes, "input size": contract.input_size, "head": contract.head}
    heads = {"arcface", "cosface"}  # alike in the weights
    head = contract.head if {contract.head, best.head} <= heads else best.head
    found = {"architecture": best.layout.name, "classes": best.num_classes, "input size": best.layout.input_size, "head": head}
    wrong = [f"{what} {stated[what]} where the weights have {found[what]}" for what in stated if stated[what] != found[what]]
    return f"the file's contract contradicts its weights ({'; '.join(wrong)}); convert the original checkpoint again" if wrong else None


def _named_mistake(shapes: Mapping[str, Shape]) -> str | None:
    """Files that people hand in for a model and that are only a part of one."""
    stream = set(_official_body("posterpp").values())
    if all("face_landback." + key in stream or is_unused("face_landback." + key) for key in shapes):
        return (
            "the file is a bare MobileFaceNet, the landmark stream that POSTER and POSTER++ start from, without an expression head; "
            "take the checkpoint that training wrote"
        )
    units = {int(m[1]) for key in shapes if (m := re.match(r"body\.(\d+)\.res_layer\.4\.", key))}
    if "input_layer.0.weight" in shapes and units and not any(re.match(r"body\.\d+\.res_layer\.5\.", key) for key in shapes):
        return (
            f"the file is a bare IR backbone ({len(units)} units; ir50.pth has 24), the image stream that POSTER and POSTER++ start from, "
            "without an expression head; take the checkpoint that training wrote"
        )
    return None


def _source(best: _Match, contents: Contents) -> str:
    """Whose files look like this one."""
    name = best.layout.name
    if not best.official:
        return "ours"
    if name.startswith("adaface"):
        return "adaface-lightning" if "lightning" in contents.extras else "adaface"
    if name.startswith("posterpp"):
        return DLRP if best.num_classes == 3 else "posterpp"
    return "poster-imagefolder" if contents.extras.get("recorder") else "poster"


def _size(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "a single number"
