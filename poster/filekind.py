"""What kind of file this is, from its first bytes: every common mistake is named before anything tries to open it."""

from __future__ import annotations

import codecs
import re
from typing import Literal

from poster.errors import CheckpointError

Kind = Literal["zip", "legacy", "safetensors"]

HEAD_BYTES = 1024  # how much of the file's beginning `kind_of` wants to see
MAX_SAFETENSORS_HEADER = 4 << 20  # bytes of JSON; 20,000 entries need about that

# torch.save before 1.6: the pickled number 0x1950a86a20f9469cfc6c, written by every version with the default protocol 2.
LEGACY_MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."

WANTED = "a checkpoint is what torch.save(model.state_dict(), ...) writes, or a safetensors file"

# (offset, bytes found there, what the file is and what to do)
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"version https://git-lfs", "is a Git-LFS pointer, not the weights; fetch the file itself with `git lfs pull` or the site's download button"),
    (0, b"\x89HDF\r\n\x1a\n", "is a Keras or TensorFlow HDF5 (.h5) file; only PyTorch checkpoints can be read"),
    (0, b"\x1f\x8b", "is gzip-compressed; unpack it first (`gunzip`, or `tar xzf` for a .tar.gz)"),
    (0, b"BZh", "is bzip2-compressed; unpack it first"),
    (0, b"\xfd7zXZ\x00", "is xz-compressed; unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "is zstd-compressed; unpack it first"),
    (0, b"\x04\x22\x4d\x18", "is lz4-compressed; unpack it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "is a 7z archive; unpack it first"),
    (0, b"Rar!", "is a RAR archive; unpack it first"),
    (257, b"ustar", "is a tar archive: either unpack it first, or, if PyTorch before 0.1.10 wrote it, load and save it again with a newer PyTorch"),
    (4, b"TFL3", "is a TensorFlow Lite model; only PyTorch checkpoints can be read"),
    (0, b"GGUF", "is a GGUF language model; only PyTorch checkpoints can be read"),
    (0, b"\x93NUMPY", "is a single NumPy array (.npy), not a checkpoint"),
    (0, b"\x89PNG", "is a PNG picture, not a checkpoint"),
    (0, b"\xff\xd8\xff", "is a JPEG picture, not a checkpoint"),
    (0, b"GIF8", "is a GIF picture, not a checkpoint"),
    (0, b"%PDF", "is a PDF document, not a checkpoint"),
    (0, b"\x7fELF", "is a program, not a checkpoint"),
    (0, b"MZ", "is a program, not a checkpoint"),
    (0, b"SQLite format 3", "is an SQLite database, not a checkpoint"),
)


def kind_of(head: bytes, size: int, name: str = "") -> Kind:
    """The kind of a file of ``size`` bytes that begins with ``head`` (its first HEAD_BYTES).

    ``name`` only sharpens the message. Raises CheckpointError, one sentence, for everything that is no checkpoint.
    """
    if size == 0:
        raise CheckpointError("the file is empty; download it again")
    for offset, magic, what in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            raise CheckpointError(f"the file {what}")
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(LEGACY_MAGIC):
        return "legacy"
    if len(head) < len(LEGACY_MAGIC):
        raise CheckpointError(f"the file has {size} bytes, too few for any checkpoint; download it again")
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= max(MAX_SAFETENSORS_HEADER, size):
        return "safetensors"
    raise CheckpointError(f"the file {_unreadable(head, name.lower())}")


def _is_text(head: bytes) -> bool:
    """UTF-8 (the last character may be cut) without control characters."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(byte >= 32 or byte in b"\t\r\n" for byte in head)


def _unreadable(head: bytes, name: str) -> str:
    """What a file that is none of ours most likely is."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<script")):
        return "is a web page saved under this name, not the weights: the download asked for a login or a confirmation; download it in the browser"
    if text.startswith(b"<svg") or (text.startswith(b"<?xml") and b"<svg" in text):
        return "is an SVG picture, not a checkpoint"
    if text.startswith(b"<"):
        return "is an XML or HTML text, often a server's error message saved in place of the weights; download it again"
    if text.startswith((b"{", b"[")):
        return "is a JSON text (a server's answer, or an index beside the weights), not the weights themselves"
    if name.endswith(".onnx") or re.match(rb"\x08[\x03-\x1f](\x12|\x1a|\x3a)", head):
        return "is an ONNX graph; only PyTorch checkpoints can be read"
    if name.endswith((".pb", ".tflite", ".index", ".meta")) or ".data-0" in name or re.match(rb"\x08\x01\x12|\x0a.{1,2}\x0a", head, re.DOTALL):
        return "is a TensorFlow graph or checkpoint; only PyTorch checkpoints can be read"
    if re.match(rb"\x80[\x02-\x05]|[(}\]][.\]}dlpqt(c]|c[\w.]+\r?\n[\w.]+\r?\n", head):
        return f"is a bare pickle that torch.save did not write, and is not opened because a pickle can run code; {WANTED}"
    if head[:4] in (b"PK\x05\x06", b"PK\x07\x08"):
        return "is an empty or split zip archive; download it again"
    if not head.strip(b"\x00"):
        return "begins with nothing but zeros: the download reserved the space and never filled it; download it again"
    if _is_text(head):
        return f"is a text, not a checkpoint; {WANTED}"
    return f"is no kind of checkpoint known here; {WANTED}"
