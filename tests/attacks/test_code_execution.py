"""Rows 1 to 3 of the attack list: files that run code when they are opened, and names that are let through."""

from __future__ import annotations

import io
import pickle
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.attacks import forge

Refused = Callable[..., str]


def payloads(marker: Path) -> dict[str, bytes]:
    """Three ways to run code from a pickle, each of which creates ``marker``."""
    touch = forge.text(f"open({str(marker)!r}, 'w').close()")
    opener = forge.call(forge.name("builtins", "getattr"), forge.call(forge.name("pathlib", "Path"), forge.text(str(marker))), forge.text("touch"))
    return {
        "os.system": forge.call(forge.name("os", "system"), forge.text(f"touch '{marker}'")),
        "eval": forge.call(forge.name("builtins", "exec"), touch),
        "getattr": opener + b")R",
    }


@pytest.mark.parametrize("container", ["zip", "legacy", "raw"])
@pytest.mark.parametrize("payload", ["os.system", "eval", "getattr"])
def test_row_1_payloads_run_in_a_careless_reader_and_are_refused_here(payload: str, container: str, tmp_path: Path, naive, refused: Refused) -> None:
    marker = tmp_path / "marker"
    entries = {"weight": forge.simple(legacy=container == "legacy"), "extra": payloads(marker)[payload]}
    storages = {"0": forge.floats(1, 2, 3, 4)}
    if container == "raw":
        data = forge.program(forge.mapping({"extra": entries["extra"]}))
    else:
        data = (forge.torch_zip if container == "zip" else forge.legacy)(forge.mapping(entries), storages)
    path = tmp_path / "file.pth"
    path.write_bytes(data)
    naive(path, "pickle" if container == "raw" else "load")
    assert marker.exists(), "the attack must bite a careless reader, else this test proves nothing"
    marker.unlink()
    message = refused(data)
    assert not marker.exists()
    assert ("run" in message) if container != "raw" else ("bare pickle" in message)


def test_row_2_a_tar_checkpoint_runs_code_and_is_refused(tmp_path: Path, naive, refused: Refused) -> None:
    marker = tmp_path / "marker"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:") as archive:
        for name, data in (("storages", pickle.dumps(0) + pickle.dumps([])), ("tensors", pickle.dumps(0)), ("pickle", forge.program(payloads(marker)["eval"]))):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    path = tmp_path / "old.pth.tar"
    path.write_bytes(buffer.getvalue())
    naive(path)
    assert marker.exists()
    marker.unlink()
    assert "tar archive" in refused(buffer.getvalue(), "old.pth.tar")
    assert not marker.exists()


def test_row_2_a_tar_that_begins_like_a_legacy_file_is_refused_too(tmp_path: Path, refused: Refused) -> None:
    """The name field of a tar header is free text: torch's magic number fits into it."""
    info = tarfile.TarInfo("x" * 40)
    header = bytearray(info.tobuf())
    header[: len(forge.LEGACY_MAGIC)] = forge.LEGACY_MAGIC
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header[:512]):06o}\0 ".encode()
    header[257:263] = b"\0" * 6  # the oldest tars have no magic word
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header[:512]):06o}\0 ".encode()
    data = bytes(header) + bytes(1024)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getmembers(), "it must be a tar for those who look for one"
    refused(data)


def test_row_2_torchscript_is_a_program_and_is_refused(tmp_path: Path, naive, refused: Refused) -> None:
    path = tmp_path / "script.pt"
    path.write_bytes(_torchscript())
    assert "Script" in naive(path)["type"], "a careless torch.load hands back a program"
    assert "TorchScript" in refused(path.read_bytes())


def _torchscript() -> bytes:
    import warnings

    class Net(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated; hostile files are not
        torch.jit.save(torch.jit.trace(Net(), torch.zeros(1)), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_row_2_a_whole_module_imports_its_class_and_is_refused(container: str, tmp_path: Path, naive, refused: Refused) -> None:
    marker = tmp_path / "marker"
    (tmp_path / "their_model.py").write_text(f"open({str(marker)!r}, 'w').close()\nclass Net(dict): pass\n")
    module = forge.call(forge.name("their_model", "Net"))
    data = forge.torch_zip(module) if container == "zip" else forge.legacy(module)
    path = tmp_path / "whole.pth"
    path.write_bytes(data)
    naive(path, cwd=tmp_path)
    assert marker.exists(), "a careless reader imports the module that the file names"
    marker.unlink()
    assert "their_model.Net" in refused(data)
    assert not marker.exists()


def test_row_2_a_whole_torch_module_is_told_how_to_save_instead(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "whole.pth"
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 2)), path)
    message = refused(path.read_bytes())
    assert "whole pickled network" in message and "state_dict" in message


@pytest.mark.parametrize("name", ["mypackage.models.Net", "collections.deque", "torch.hub.load", "numpy.frombuffer", "__main__.RecorderMeter2"])
def test_row_3_an_unknown_name_is_quoted(name: str, refused: Refused) -> None:
    module, _, attribute = name.rpartition(".")
    data = forge.torch_zip(forge.mapping({"weight": forge.simple(), "x": forge.call(forge.name(module, attribute))}), {"0": forge.floats(1, 2, 3, 4)})
    assert name in refused(data)


def test_row_3_a_name_with_control_characters_cannot_reach_the_terminal(refused: Refused) -> None:
    message = refused(forge.torch_zip(forge.call(forge.name("red\x1b[31m", "x\ty"))))
    assert "\x1b" not in message and "red?" in message


def test_row_3_meters_arrays_and_command_lines_are_let_through_unseen(tmp_path: Path, accepted) -> None:
    """POSTER++'s meters with NumPy arrays, an argparse namespace, a NumPy scalar: the tensors come out equal, the rest is dropped."""
    import argparse

    import numpy as np

    class RecorderMeter:
        pass

    meter = RecorderMeter()
    meter.losses, meter.best = np.ones((3, 2), np.float32), np.float64(3.5)
    module = sys.modules["__main__"]
    RecorderMeter.__module__, RecorderMeter.__qualname__ = "__main__", "RecorderMeter"
    module.RecorderMeter = RecorderMeter
    weight = torch.arange(6.0).reshape(2, 3)
    path = tmp_path / "meters.pth"
    try:
        torch.save(
            {"epoch": 3, "state_dict": {"module.w": weight}, "recorder": meter, "args": argparse.Namespace(lr=0.1), "best_acc": torch.tensor(92.5)}, path
        )
    finally:
        del module.RecorderMeter
    contents, out = accepted(path.read_bytes())
    assert torch.equal(load_file(out)["module.w"], weight)
    assert contents.extras["epoch"] == 3 and contents.extras["best_acc"] == 92.5 and contents.extras["recorder"] is True
