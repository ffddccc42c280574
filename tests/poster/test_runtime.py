"""Runtimes: the same answers in every one, weights that change are seen, the choice is measured once, and what cannot run says so."""

import json
import time

import pytest
import torch

import poster
from poster import fastest as choice
from poster import runtime
from poster.fastest import fastest, setting
from poster.rewrite import rewritten
from poster.runtime import RuntimeChoiceError, both, lean, prepared
from poster.shipped import model_path


@pytest.fixture(scope="module")
def model():
    return poster.load_model(model_path("posterpp_nano"))


@pytest.fixture(scope="module")
def images(model):
    torch.manual_seed(0)
    return torch.randn(48, 3, model.img_size, model.img_size)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_CACHE", str(tmp_path))
    return tmp_path / "runtime.json"


@pytest.mark.parametrize(("name", "dtype", "error"), [("eager", "float32", 1e-4), ("bf16", "bfloat16", 0.5)])
def test_every_runtime_gives_the_answers_of_the_model(model, images, name, dtype, error):
    with torch.inference_mode():
        logits, embedding = both(model, images)
    run = prepared(model, name, dtype)
    for _ in range(2):  # a compiler that overwrites its own buffers is right once
        found, features = run(images)
        assert found.dtype == features.dtype == torch.float32
        torch.testing.assert_close(found, logits, rtol=0, atol=error)
        torch.testing.assert_close(features, embedding, rtol=0, atol=4 * error)
    if dtype == "float32":
        assert torch.equal(found.argmax(1), logits.argmax(1))
    else:
        assert not torch.equal(found, logits)
    alone, _ = run(images[:1])
    run(images[1:2])  # what was answered before is not written over
    torch.testing.assert_close(alone, logits[:1], rtol=0, atol=error)


def test_made_once_and_anew_for_other_weights(images):
    model = poster.load_model(model_path("posterpp_nano"))
    first = prepared(model)
    assert prepared(model) is first and prepared(model, dtype="bfloat16") is not first
    before = first(images[:2])[0]
    with torch.no_grad():
        model.head.bias.add_(3)
    torch.testing.assert_close(prepared(model)(images[:2])[0], before + 3)


def test_the_lean_network_has_the_gradients_of_the_model_and_follows_its_weights(images):
    model = poster.load_model(model_path("posterpp_nano"))
    first = lean(model)
    assert first is lean(model) is not model
    gradients = []
    for network in (model, first):
        given = images[:2].clone().requires_grad_()
        network(given)[:, 3].sum().backward()
        gradients.append(given.grad)
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4 * float(gradients[0].abs().max()))
    before = first(images[:2])
    with torch.no_grad():
        model.head.bias.add_(3)
    torch.testing.assert_close(lean(model)(images[:2]), before + 3)
    for dtype in (torch.float64, torch.float32):  # as it is after a move to another device and back
        assert lean(model.to(dtype))(images[:2].to(dtype)).dtype == dtype


@pytest.mark.parametrize(("n", "threads", "at_once"), [(48, 2, 2), (48, 1, 1), (12, 2, 1)])
def test_a_large_batch_is_computed_in_shares(model, images, monkeypatch, n, threads, at_once):
    seen, before = [], torch.get_num_threads()
    monkeypatch.setattr(runtime, "both", lambda ready, part: seen.append(len(part)) or both(ready, part))
    torch.set_num_threads(threads)
    try:
        found, features = prepared(model)(images[:n])
    finally:
        torch.set_num_threads(before)
    assert seen == [n // at_once] * at_once
    with torch.inference_mode():
        for reference, value in zip(both(model, images[:n]), (found, features), strict=True):
            torch.testing.assert_close(value, reference, rtol=0, atol=4e-4)


def test_a_model_nobody_holds_is_let_go(images):
    model = poster.load_model(model_path("posterpp_nano"))
    prepared(model)
    held = len(runtime._ready)
    del model
    assert len(runtime._ready) == held - 1


@pytest.mark.parametrize(
    ("name", "dtype", "sentence"),
    [("tensorrt", "float32", "is not one of eager, bf16"), ("bf16", "float32", "offers bfloat16"), ("bf16", "float16", "offers bfloat16")],
)
def test_what_cannot_run_says_so(name, dtype, sentence):
    with pytest.raises(RuntimeChoiceError, match=sentence):
        runtime.check(name, dtype)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_no_gpu_is_said_clearly():
    with pytest.raises(RuntimeChoiceError, match="needs an NVIDIA GPU"):
        runtime.check("cuda", "float32")


def test_measured_once_and_remembered(cache, monkeypatch):
    start = time.monotonic()
    chosen = fastest("bfloat16")
    assert time.monotonic() - start < 60  # 20 on this project's machine, and four times slower ones run this too
    kept = json.loads(cache.read_text())
    assert kept["machine"] == choice.machine() and min(kept["seconds"]["bfloat16"], key=kept["seconds"]["bfloat16"].get) == chosen
    monkeypatch.setattr(choice, "timed", lambda names, dtype: pytest.fail("measured twice"))
    assert fastest("bfloat16") == chosen


def test_the_fastest_is_taken_and_kept(cache, monkeypatch):
    monkeypatch.setattr(choice, "timed", lambda names, dtype: dict.fromkeys(names, 2.0) | {"bf16": 1.0})
    assert fastest("float32") == "eager"  # the only one
    assert fastest("bfloat16", measure=False) == "eager"
    assert not cache.exists()
    assert fastest("bfloat16") == "bf16"
    assert set(json.loads(cache.read_text())["seconds"]) == {"bfloat16"}


@pytest.mark.parametrize("content", ["", "[]", '{"machine": 1}', '{"machine": "another", "seconds": {"float32": {"eager": 1}}}'])
def test_another_machines_or_a_broken_file_is_measured_anew(cache, monkeypatch, content):
    cache.write_text(content)
    monkeypatch.setattr(choice, "timed", lambda names, dtype: {"bf16": 3.0, "eager": 5.0})
    assert fastest("bfloat16") == "bf16"


def test_the_setting(monkeypatch):
    assert setting() == "auto"
    monkeypatch.setenv("FER_RUNTIME", "eager")
    assert setting() == "eager"
    monkeypatch.setenv("FER_RUNTIME", "quick")
    with pytest.raises(RuntimeChoiceError, match="FER_RUNTIME is 'quick'; it must be one of eager"):
        setting()


def test_rewritten_is_what_eager_runs(model, images):
    with torch.inference_mode():
        expected, _ = both(rewritten(model), images[:4])
    torch.testing.assert_close(prepared(model)(images[:4])[0], expected)
