"""The cosine heads against the authors' numbers and against their papers' formulas."""

from pathlib import Path

import numpy as np
import pytest
import torch

from poster.heads import AdaFaceHead, ArcFaceHead, CosFaceHead, create_head


@pytest.mark.parametrize(("prefix", "t_alpha"), [("t1", 1.0), ("t001", 0.01)])
def test_adaface_matches_the_authors_over_three_steps(shared: Path, prefix: str, t_alpha: float) -> None:
    golden = np.load(shared / "golden" / "outputs" / "adaface_head.npz")
    head = AdaFaceHead(512, 10, margin=0.4, scale=64.0, h=0.333, t_alpha=t_alpha).train()
    with torch.no_grad():
        head.kernel.copy_(torch.from_numpy(golden["kernel"]))
    for step in range(3):
        unit = torch.from_numpy(golden[f"embeddings_step{step}"]).requires_grad_()
        targets = torch.from_numpy(golden[f"labels_step{step}"]).long()
        head.kernel.grad = None
        logits = head.margin_logits(unit, torch.from_numpy(golden[f"norms_step{step}"]), targets)
        loss = torch.nn.functional.cross_entropy(logits, targets)
        loss.backward()
        np.testing.assert_allclose(logits.detach(), golden[f"{prefix}_logits_step{step}"], rtol=0, atol=2e-4)
        np.testing.assert_allclose(loss.item(), golden[f"{prefix}_loss_step{step}"], rtol=2e-5)
        np.testing.assert_allclose(unit.grad[:, :16], golden[f"{prefix}_grad_embeddings_step{step}"], rtol=2e-3, atol=2e-4)
        np.testing.assert_allclose(head.kernel.grad[:16], golden[f"{prefix}_grad_kernel_step{step}"], rtol=2e-3, atol=2e-4)
        np.testing.assert_allclose(head.batch_mean.item(), golden[f"{prefix}_batch_mean"][step], rtol=1e-5)
        np.testing.assert_allclose(head.batch_std.item(), golden[f"{prefix}_batch_std"][step], rtol=1e-5)


def angle_batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(6, 16, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 4, 0])


def test_arcface_adds_to_the_angle_and_cosface_takes_from_the_cosine() -> None:
    embedding, targets = angle_batch()
    for head, expected in (
        (ArcFaceHead(16, 5, margin=0.3, scale=8.0), lambda cos: np.cos(np.arccos(cos) + 0.3)),
        (CosFaceHead(16, 5, margin=0.3, scale=8.0), lambda cos: cos - 0.3),
    ):
        head.double()
        kernel = head.kernel.detach().numpy()
        cosine = (embedding.numpy() / np.linalg.norm(embedding.numpy(), axis=1, keepdims=True)) @ (kernel / np.linalg.norm(kernel, axis=0))
        wanted = 8.0 * cosine
        np.testing.assert_allclose(head(embedding).detach(), wanted, atol=1e-12)
        rows = np.arange(6)
        wanted[rows, targets] = 8.0 * expected(cosine[rows, targets])
        np.testing.assert_allclose(head(embedding, targets).detach(), wanted, atol=1e-12)


def test_a_batch_of_one_and_eval_mode_leave_the_running_statistics_alone() -> None:
    embedding, targets = angle_batch()
    head = AdaFaceHead(16, 5).double().train()
    assert torch.isfinite(head(embedding[:1], targets[:1])).all()
    head.eval()(embedding, targets)
    assert (head.batch_mean.item(), head.batch_std.item()) == (20.0, 100.0)
    head.train()(embedding, targets)
    assert head.batch_mean.item() == pytest.approx(embedding.norm(dim=1).mean().item())


def test_an_unknown_head_is_refused() -> None:
    with pytest.raises(ValueError, match="linear, adaface, arcface, cosface"):
        create_head("softmax", 16, 5)
