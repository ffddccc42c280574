"""Identification from names and shapes: every architecture, head, class count, layout and prefix, and the mistakes people make."""

from __future__ import annotations

import pytest

from poster.contract import ModelContract
from poster.errors import CheckpointError
from poster.identify import UNUSED, Identity, identify, strip_prefix
from poster.layouts import Shape, layouts
from poster.official import official_names
from poster.official_export import never_called
from poster.origin import Origin
from poster.proposal import DLRP
from poster.reading import Contents

FACES = [name for name in layouts() if not name.startswith("adaface")]
OFFICIAL = [name for name in layouts() if name != "posterpp_nano"]


def contents(shapes: dict[str, Shape], prefix: str = "", extras: dict | None = None, metadata: dict | None = None) -> Contents:
    """What the reader would find in a file with these entries."""
    entries = {prefix + key: ("I64" if key.endswith(("num_batches_tracked", "position_index")) else "F32", shape) for key, shape in shapes.items()}
    return Contents("zip", "0" * 64, 1, entries, extras=extras or {}, metadata=metadata or {})


def ours(name: str, num_classes: int = 7, head: str = "linear") -> dict[str, Shape]:
    layout = layouts()[name]
    return {**layout.entries, **layout.head(head, num_classes)}


def official(name: str, num_classes: int = 7, head: str = "linear") -> dict[str, Shape]:
    """The authors' state dict: their names, and the layers they never call."""
    entries = ours(name, num_classes, head)
    names = official_names(name, entries)
    return {names[key]: shape for key, shape in entries.items()} | never_called(name)


def found(identity: Identity) -> tuple[str | None, int, str]:
    return identity.architecture, identity.num_classes, identity.head


@pytest.mark.parametrize("num_classes", [7, 8])
@pytest.mark.parametrize("name", list(layouts()))
def test_our_own_files(name: str, num_classes: int) -> None:
    identity = identify(contents(ours(name, num_classes)))
    assert found(identity) == (name, num_classes, "linear")
    assert identity.layout == "ours" and identity.problem is None and not identity.differing
    assert identity.names == {key: key for key in ours(name, num_classes)}


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "module.model.", "_orig_mod."])
@pytest.mark.parametrize("name", OFFICIAL)
def test_the_authors_files(name: str, prefix: str) -> None:
    identity = identify(contents(official(name), prefix))
    assert found(identity) == (name, 7, "linear")
    assert identity.prefix == prefix and identity.layout in ("poster", "posterpp", "adaface")
    known = {key for key in identity.names.values() if not key.startswith(UNUSED)}
    assert known == set(ours(name)), "every entry of our model has one in the file"
    assert {key.removeprefix(UNUSED) for key in identity.names.values() if key.startswith(UNUSED)} == set(never_called(name))


@pytest.mark.parametrize("head", ["linear", "adaface", "arcface"])
@pytest.mark.parametrize("name", ["poster_large", "posterpp", "adaface_ir50"])
def test_heads(name: str, head: str) -> None:
    for shapes in (ours(name, 7, head), official(name, 7, head)):
        assert found(identify(contents(shapes))) == (name, 7, head)


def test_the_contract_settles_what_weights_cannot_tell() -> None:
    contract = ModelContract("posterpp", labels(7), head="cosface")
    identity = identify(contents(ours("posterpp", 7, "arcface"), metadata=contract.to_metadata()))
    assert identity.head == "cosface" and identity.labels.sure and identity.channels.sure


def labels(count: int) -> tuple[str, ...]:
    return ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")[:count]


@pytest.mark.parametrize(
    "recognition", [{}, {"head.kernel": (512, 10572)}, {"head.kernel": (512, 70722), "head.t": (1,), "head.batch_mean": (1,), "head.batch_std": (1,)}]
)
@pytest.mark.parametrize("name", ["adaface_ir18", "adaface_ir50", "adaface_ir101"])
def test_adaface_recognition_networks(name: str, recognition: dict[str, Shape]) -> None:
    """Released and Lightning files: ``model.`` before the network only, a kernel of identities beside it, no expression head."""
    names = official_names(name, layouts()[name].entries)
    shapes = {f"model.{names[key]}": shape for key, shape in layouts()[name].entries.items()} | recognition
    identity = identify(contents(shapes, extras={"lightning": "1.8.6"} if "head.t" in recognition else {}))
    assert found(identity) == (name, 0, "none")
    assert identity.layout == ("adaface-lightning" if "head.t" in recognition else "adaface")
    assert identity.prefix == "model." and identity.channels.order == "bgr"
    assert {UNUSED + key for key in recognition} == {key for key in identity.names.values() if key.startswith(UNUSED)}


def test_an_adaface_kernel_of_expressions_is_a_head() -> None:
    names = official_names("adaface_ir50", layouts()["adaface_ir50"].entries)
    shapes = {f"model.{names[key]}": shape for key, shape in layouts()["adaface_ir50"].entries.items()}
    kernel = {"head.kernel": (512, 8), "head.t": (1,), "head.batch_mean": (1,), "head.batch_std": (1,)}
    assert found(identify(contents(shapes | kernel))) == ("adaface_ir50", 8, "adaface")


@pytest.mark.parametrize(
    ("name", "num_classes", "extras", "layout", "labels", "channels"),
    [
        ("poster_large", 7, {}, "poster", "raf-db", "bgr"),
        ("poster_small_affectnet", 7, {}, "poster", "affectnet-7", "rgb"),
        ("poster_large_affectnet", 8, {}, "poster", "affectnet-8", "rgb"),
        ("poster_base", 7, {"recorder": True}, "poster-imagefolder", "raf-db", "rgb"),
        ("posterpp", 7, {"recorder": True}, "posterpp", "raf-db", "rgb"),
        ("posterpp", 8, {}, "posterpp", "affectnet-8", "rgb"),
        ("posterpp", 3, {"recorder": True}, DLRP, None, "rgb"),
    ],
)
def test_proposed_contracts_are_never_sure(name: str, num_classes: int, extras: dict, layout: str, labels: str | None, channels: str) -> None:
    identity = identify(contents(official(name, num_classes), "module.", extras))
    assert (identity.architecture, identity.layout, identity.labels.order, identity.channels.order) == (name, layout, labels, channels)
    assert not identity.labels.sure and not identity.channels.sure and identity.labels.why and identity.channels.why
    assert any("label order" in warning for warning in identity.warnings)


def test_what_was_assumed_at_conversion_stays_unsure() -> None:
    contract = ModelContract("posterpp", labels(7)).to_metadata()
    identity = identify(contents(ours("posterpp"), metadata=contract | Origin("0" * 64, "posterpp", assumed=("labels",)).to_metadata()))
    assert not identity.labels.sure and identity.channels.sure


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_a_few_keys_off_names_them_and_the_architecture(count: int) -> None:
    shapes = official("posterpp")
    lost = [key for key in shapes if ".mlp." in key][:count]
    identity = identify(contents({key: shape for key, shape in shapes.items() if key not in lost}, "module."))
    assert identity.architecture is None and identity.nearest == "posterpp" and identity.is_near
    assert sorted(identity.differing) == sorted(f"{key} is missing" for key in lost)
    assert identity.problem is not None and identity.problem.count(" is missing") == min(count, 5)


def test_a_wrong_shape_an_extra_entry_and_a_wrong_type_are_told() -> None:
    shapes = official("poster_small")
    shapes["head.linear.weight"] = (7, 256)
    shapes["surplus.weight"] = (3,)
    made = contents(shapes)
    made.entries["ir_layer.bias"] = ("I64", made.entries["ir_layer.bias"][1])
    identity = identify(made)
    assert identity.nearest == "poster_small"
    assert set(identity.differing) == {"head.linear.weight is 7x256 and not 7x512", "surplus.weight is not part of it", "ir_layer.bias has whole numbers"}


def test_a_seven_class_bias_under_an_eight_class_weight() -> None:
    shapes = official("posterpp", 8)
    shapes["VIT.head.linear.bias"] = (7,)
    identity = identify(contents(shapes))
    assert identity.architecture is None and identity.num_classes == 8 and "VIT.head.linear.bias is 7 and not 8" in str(identity.problem)


def test_layers_that_nobody_calls_may_be_missing() -> None:
    shapes = {key: shape for key, shape in official("posterpp").items() if key not in never_called("posterpp")}
    assert identify(contents(shapes)).architecture == "posterpp"


@pytest.mark.parametrize("classes", [1, 9, 1000])
def test_a_head_that_cannot_be_one_of_expressions(classes: int) -> None:
    identity = identify(contents(official("posterpp", classes)))
    assert identity.architecture is None and f"{classes} classes" in str(identity.problem)


def test_bare_backbones_are_told_by_name() -> None:
    landmark = {key.removeprefix("face_landback."): shape for key, shape in official("posterpp").items() if key.startswith("face_landback.")}
    assert "bare MobileFaceNet" in str(identify(contents(landmark)).problem)
    image = {key.removeprefix("ir_back."): shape for key, shape in official("poster_small").items() if key.startswith("ir_back.")}
    assert "bare IR backbone (21 units" in str(identify(contents(image)).problem)


def test_another_network_altogether_is_near_nothing() -> None:
    identity = identify(contents({"conv1.weight": (64, 3, 7, 7), "fc.weight": (1000, 2048), "fc.bias": (1000,)}))
    assert identity.architecture is None and identity.nearest is None and not identity.is_near and "another network" in str(identity.problem)
    assert identity.names == {key: key for key in ("conv1.weight", "fc.weight", "fc.bias")}


def test_a_contract_that_contradicts_the_head_is_a_problem() -> None:
    metadata = ModelContract("posterpp", labels(8)).to_metadata()
    assert "classes 8 where the weights have 7" in str(identify(contents(ours("posterpp", 7), metadata=metadata)).problem)
    for changes in ({"architecture": "poster_large"}, {"architecture": "nobody's"}, {"input_size": 112}, {"head": "adaface"}):
        contract = ModelContract("posterpp", labels(7)).replace(**changes)
        assert identify(contents(ours("posterpp", 7), metadata=contract.to_metadata())).architecture is None
    with pytest.raises(CheckpointError, match="contract"):
        identify(contents(ours("posterpp"), metadata={"poster.contract": "{"}))


def test_no_two_entries_can_get_one_name() -> None:
    """An ``unused.`` entry that the file itself brings may not meet the one that conversion makes."""
    shapes = official("poster_small") | {"unused.pyramid_fuse.cls_token": (1, 1, 512)}
    assert identify(contents(shapes)).differing == ("unused.pyramid_fuse.cls_token is not part of it",)


def test_prefixes_are_stripped_only_where_every_key_has_them() -> None:
    assert strip_prefix(["module.a", "module.b"]) == ({"a": "module.a", "b": "module.b"}, "module.")
    assert strip_prefix(["module.a", "b"]) == ({"module.a": "module.a", "b": "b"}, "")
    assert strip_prefix(["model.a", "head.kernel"]) == ({"a": "model.a", "head.kernel": "head.kernel"}, "model.")
    assert strip_prefix(["model.head.kernel", "head.kernel"])[1] == "", "two entries may not become one"
    assert strip_prefix(["module."]) == ({"module.": "module."}, "")


def test_parameters_are_counted_as_the_papers_count() -> None:
    """POSTER's paper counts everything in the file; 12.85 M of it are never called (POSTER++: 14.47 M), and the landmark head's result is dropped."""
    landmark_head = 512 * 49 + 2 * 512 + 136 * 512 + 2 * 136
    for name, total, never in (("poster_large", 71.85, 12.85), ("posterpp", 58.32, 14.47)):
        identity = identify(contents(official(name)))
        assert round(identity.parameters / 1e6, 2) == total
        assert round((identity.parameters - identity.parameters_used - landmark_head) / 1e6, 2) == never
