"""Rows 5 to 10 of the attack list: tensors that lie about themselves, bombs, flipped bits, weights that are none."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from poster._sandbox import Limits
from poster.errors import CheckpointError
from poster.reading import Reader
from tests.attacks import forge
from tests.attacks.conftest import sentence

Refused = Callable[..., str]
FOUR = {"0": forge.floats(1, 2, 3, 4)}


def zipped(**entries: bytes) -> bytes:
    return forge.torch_zip(forge.mapping(entries), FOUR)


def old(**entries: bytes) -> bytes:
    return forge.legacy(forge.mapping(entries), FOUR)


FORGED = {
    "numel twice the stored bytes": zipped(w=forge.tensor(forge.storage("0", 8), [4])),
    "numel half the stored bytes": zipped(w=forge.tensor(forge.storage("0", 2), [2])),
    "numel of 4 TiB": zipped(w=forge.tensor(forge.storage("0", 1 << 40), [4])),
    "negative numel": zipped(w=forge.tensor(forge.storage("0", -4), [4])),
    "another type than stored": zipped(w=forge.tensor(forge.storage("0", 4, "DoubleStorage"), [4])),
    "a shape beyond the storage": zipped(w=forge.tensor(forge.storage("0", 4), [8])),
    "a shape of 4 TiB": zipped(w=forge.tensor(forge.storage("0", 4), [1 << 40])),
    "a negative shape": zipped(w=forge.tensor(forge.storage("0", 4), [-4])),
    "an offset beyond the storage": zipped(w=forge.tensor(forge.storage("0", 4), [4], offset=1 << 20)),
    "a negative offset": zipped(w=forge.tensor(forge.storage("0", 4), [4], offset=-1)),
    "stride 0 to a billion": zipped(w=forge.tensor(forge.storage("0", 4), [1 << 30], [0])),
    "stride 0 within the storage": zipped(w=forge.tensor(forge.storage("0", 4), [4], [0])),
    "overlapping rows": zipped(w=forge.tensor(forge.storage("0", 4), [2, 2], [1, 1])),
    "two entries on one storage": zipped(w=forge.simple(), v=forge.simple()),
    "two entries that overlap by one number": zipped(w=forge.tensor(forge.storage("0", 4), [3]), v=forge.tensor(forge.storage("0", 4), [2], offset=2)),
    "a storage that is not there": forge.torch_zip(forge.mapping({"w": forge.simple(key="7")}), FOUR),
    "a key that is a path": forge.torch_zip(forge.mapping({"w": forge.simple(key="../version")}), FOUR),
    "legacy: a shape beyond the storage": old(w=forge.tensor(forge.storage("0", 4, legacy=True), [8])),
    "legacy: a shape of 32 GiB": old(w=forge.tensor(forge.storage("0", 4, legacy=True), [1 << 33])),
    "legacy: numel of 32 GiB": old(w=forge.tensor(forge.storage("0", 1 << 33, legacy=True), [4])),
    "legacy: two entries on one storage": old(w=forge.simple(legacy=True), v=forge.simple(legacy=True)),
}


@pytest.mark.parametrize("what", FORGED)
def test_row_5_a_tensor_that_lies_about_itself_is_refused(what: str, refused: Refused) -> None:
    refused(FORGED[what])


@pytest.mark.parametrize("what", ["stride 0 to a billion", "two entries on one storage", "numel twice the stored bytes"])
def test_row_5_bites_torchs_own_safe_reader(what: str, tmp_path: Path, naive) -> None:
    path = tmp_path / "forged.pth"
    path.write_bytes(FORGED[what])
    assert "shapes" in naive(path, "mmap"), "weights_only=True with mmap opens it without a word"


def test_row_5_many_views_of_one_storage_cannot_add_up_to_more_than_the_file(refused: Refused) -> None:
    entries = {f"w{n}": forge.tensor(forge.storage("0", 4), [4]) for n in range(300)}
    refused(zipped(**entries))


def test_row_6_a_constructor_bomb_meets_the_memory_limit(tmp_path: Path, naive, refused: Refused) -> None:
    data = zipped(w=forge.simple(), b=forge.call(forge.name("builtins", "bytearray"), forge.number(8 << 30)))
    path = tmp_path / "small.pth"
    path.write_bytes(zipped(w=forge.simple(), b=forge.call(forge.name("builtins", "bytearray"), forge.number(200 << 20))))
    assert naive(path, "weights_only")["mib"] > 190, "weights_only allocates what the file claims"
    assert "memory" in refused(data)


def hash_bomb() -> bytes:
    """A tuple of two of itself, fifty levels deep, as a key: hashing it takes 2^50 steps."""
    nested = b")" + b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(50))
    return forge.torch_zip(b"}(" + nested + b"K\x01u", FOUR)


def test_row_6_a_hash_bomb_dies_in_the_child_and_the_parent_says_so(tmp_path: Path, naive, reader: Reader, accepted) -> None:
    path = tmp_path / "bomb.pth"
    path.write_bytes(hash_bomb())
    assert naive(path, "weights_only", seconds=3)["hung"], "weights_only hashes whatever it is given"
    for own in (Reader(Limits(cpu=1)), reader):
        with pytest.raises(CheckpointError, match="seconds of computing"):
            own.read(path)
    assert accepted(zipped(w=forge.simple()))[0].entries, "the reader lives on and reads the next file"


def test_row_6_the_wall_clock_stops_what_the_processor_limit_would_let_run_on(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    path.write_bytes(hash_bomb())
    with pytest.raises(CheckpointError, match="longer than 1 seconds"):
        Reader(Limits(cpu=100, wall=1)).read(path)


def test_row_7_a_flipped_bit_in_a_zip_is_seen_without_knowing_the_original(tmp_path: Path, naive, refused: Refused) -> None:
    data = bytearray(zipped(w=forge.simple()))
    data[data.find(FOUR["0"]) + 2] ^= 0x40
    path = tmp_path / "flipped.pth"
    path.write_bytes(data)
    assert naive(path, "weights_only")["values"]["w"] != [1, 2, 3, 4], "torch reads another number, silently"
    assert "checksum" in refused(bytes(data))


def test_row_7_a_flipped_bit_where_no_checksum_exists_has_another_sha256(accepted) -> None:
    honest = old(w=forge.simple(legacy=True))
    flipped = bytearray(honest)
    flipped[-2] ^= 0x40
    assert accepted(honest)[0].sha256 != accepted(bytes(flipped))[0].sha256


def test_a_zip_written_without_checksums_is_read(accepted) -> None:
    buffer = io.BytesIO()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"w": torch.ones(4)}, buffer)
    finally:
        torch.serialization.set_crc32_options(True)
    assert accepted(buffer.getvalue())[0].entries == {"w": ("F32", (4,))}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_row_8_weights_that_are_no_numbers_are_refused(dtype: torch.dtype, value: float, refused: Refused) -> None:
    weight = torch.zeros(3, 5, dtype=dtype)
    weight[1, 2] = value
    buffer = io.BytesIO()
    torch.save({"state_dict": {"good": torch.ones(2), "layer.weight": weight}}, buffer)
    message = refused(buffer.getvalue())
    assert "layer.weight" in message and "NaN" in message


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(2, dtype=torch.complex64),
        torch.zeros(2, dtype=torch.float8_e4m3fn),
        torch.eye(2).to_sparse(),
        torch.empty(2, device="meta"),
        torch.conj(torch.zeros(2, dtype=torch.complex64)).imag,
        torch.zeros([1] * 9),
    ],
    ids=["complex", "float8", "sparse", "meta", "negative view", "nine dimensions"],
)
def test_only_dense_ordinary_numbers_are_read(tensor: torch.Tensor, refused: Refused) -> None:
    buffer = io.BytesIO()
    torch.save({"w": torch.ones(2), "odd": tensor}, buffer)
    refused(buffer.getvalue())


def test_views_and_transposes_come_out_as_the_numbers_they_show(accepted) -> None:
    from safetensors.torch import load_file

    base = torch.arange(24.0)
    state = {
        "rows": base[:12].view(3, 4),
        "turned": base[12:].view(3, 4).t(),
        "nothing": torch.zeros(0, 3),
        "one": torch.tensor(7),
        "flag": torch.tensor([True]),
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    loaded = load_file(accepted(buffer.getvalue())[1])
    assert {key: value.tolist() for key, value in loaded.items()} == {key: value.tolist() for key, value in state.items()}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (b"]", "list"),
        (b"N", "NoneType"),
        (forge.simple(), "Tensor"),
        (b"}", "nothing"),
        (forge.mapping({"epoch": forge.number(3), "net": forge.mapping({"w": forge.simple()})}), "epoch, net"),
        (forge.mapping({"state_dict": b"}"}), "0 entries"),
        (forge.mapping({"state_dict": forge.mapping({"w": forge.simple(), "n": forge.number(3)})}), "the entry n is a int"),
        (forge.mapping({"state_dict": forge.mapping({"w": forge.mapping({"x": forge.simple()})})}), "the entry w is a dict"),
        (forge.mapping({"__metadata__": forge.simple()}), "__metadata__"),
        (forge.mapping({"k" * 301: forge.simple()}), "300"),
        (forge.mapping({"": forge.simple()}), "printable"),
        (forge.mapping({"a\nb": forge.simple()}), "a?b"),
        (b"}(K\x05" + forge.simple() + b"u", "a int"),
    ],
)
def test_what_is_no_state_dict_is_told_by_what_it_is(value: bytes, says: str, refused: Refused) -> None:
    assert says in refused(forge.torch_zip(value, FOUR))


def test_row_10_an_optimizer_only_file_is_told_by_name(tmp_path: Path, refused: Refused) -> None:
    buffer = io.BytesIO()
    torch.save({"state": {0: {"old_p": torch.ones(2)}}, "param_groups": [{"rho": 0.05, "params": [0]}]}, buffer)
    message = refused(buffer.getvalue())
    assert "optimizer" in message and "_model.pth" in message


def test_extras_are_numbers_and_names_only(accepted) -> None:
    entries = {
        "state_dict": forge.mapping({"w": forge.simple()}),
        "epoch": b"G" + struct.pack(">d", math.nan),
        "best_acc": forge.number(10**15),
        "arch": forge.text("red\x1b[31m" + "x" * 500),
        "\x1b[2J": forge.number(1),
    }
    extras = accepted(forge.torch_zip(forge.mapping(entries), FOUR))[0].extras
    assert "epoch" not in extras and "best_acc" not in extras
    assert extras["arch"].isprintable() and len(extras["arch"]) <= 80 and all(key.isprintable() for key in extras["keys"])


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: Reader) -> None:
    from poster import zipcheck

    path = tmp_path / "growing.pth"
    path.write_bytes(zipped(w=forge.simple()))
    real = zipcheck.changed_member

    def grow(*args: object) -> object:
        with path.open("ab") as file:
            file.write(b"more")
        return real(*args)

    monkeypatch.setattr(zipcheck, "changed_member", grow)
    with pytest.raises(CheckpointError) as caught:
        reader.read(path)
    assert "changed" in sentence(caught.value)
