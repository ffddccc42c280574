"""Verification of a real model on a pair set, and expression models with margin heads."""

import io
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

import poster
from eval.embed import verify_file
from eval.run import evaluate_model
from eval.verification import verify
from poster.contract import ModelContract
from poster.data.sketch import sketch_set
from poster.labels import EXPRESSIONS, ORDERS
from poster.preprocess import to_input
from poster.runtime import both as forward
from tests.eval.conftest import CONTRACT


def test_a_pair_set_through_a_model(small_net, cpu, tmp_path):
    """Pictures of one expression stand in for one person: a network that knows expressions verifies them far above chance."""
    faces = sketch_set(8, seed=3).source.array
    rng = np.random.default_rng(0)
    same = np.arange(40) % 2 == 0
    first = rng.integers(0, 64, 40)
    second = np.where(same, (first + 8) % 64, (first + rng.integers(1, 8, 40)) % 64)
    chosen = np.stack([first, second], axis=1).ravel()
    encoded = []
    for index in chosen:
        buffer = io.BytesIO()
        Image.fromarray(faces[index]).save(buffer, "PNG")
        encoded.append(buffer.getvalue())
    (tmp_path / "made.bin").write_bytes(pickle.dumps((encoded, same.tolist())))
    found = verify_file(small_net, CONTRACT, tmp_path / "made.bin", cpu)
    with torch.inference_mode():
        both = (faces[chosen], np.ascontiguousarray(faces[chosen][:, :, ::-1]))
        plain, mirrored = (small_net.forward_features(to_input(array, CONTRACT)).numpy() for array in both)
    total = (plain + mirrored).astype(float)
    expected = verify(total / np.linalg.norm(total, axis=1, keepdims=True), same)
    assert found.accuracy == pytest.approx(expected.accuracy)
    assert found.pairs == 40
    assert found.accuracy > 0.7


@pytest.mark.parametrize("head", ["adaface", "arcface", "cosface"])
def test_margin_heads_score_like_any_other(head, sketch, cpu, tmp_path):
    torch.manual_seed(0)
    model = poster.create_model("posterpp_nano", num_classes=7, head=head).eval()
    contract = ModelContract("posterpp_nano", ORDERS["raf-db"], input_size=48, head=head)
    x = to_input(sketch.images.source.array[:3], contract)
    with torch.inference_mode():
        logits, embedding = forward(model, x)
        assert torch.allclose(logits, model(x), atol=1e-5)
        assert embedding.shape[0] == 3
    if head == "adaface":
        run = evaluate_model(model, contract, "0" * 64, sketch, tmp_path / "r.json", cpu, probe=False)
        assert run.result.labels == EXPRESSIONS
        assert run.result.num_images == 256
