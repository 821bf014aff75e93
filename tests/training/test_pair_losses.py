"""Losses over known pairs: unknown pairs change nothing."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("pytorch_metric_learning")

from ultralytics_reid.errors import ConfigError  # noqa: E402
from ultralytics_reid.training.known_pairs import KnownPairs  # noqa: E402
from ultralytics_reid.training.losses import LOSSES, pair_loss  # noqa: E402

pytestmark = pytest.mark.extras


def batch(seed=0, count=12, dim=6):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32))


@pytest.mark.parametrize("name", LOSSES)
def test_unknown_pairs_have_no_gradient(name):
    # Identity 3's crops are known to be nobody's and different from nobody.
    known = KnownPairs.of(np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 4, 5]), np.array([[0, 1], [0, 2], [1, 2]]))
    rows = batch().requires_grad_()
    pair_loss(name)(rows, *known.masks(np.arange(12))).backward()
    assert rows.grad[:9].abs().sum() > 0
    assert rows.grad[9:].abs().max() == 0


def test_supcon_equals_its_formula_over_known_pairs():
    known = KnownPairs.of(np.array([0, 0, 1, 1, 2, 2]), np.array([[0, 1], [1, 2]]))
    rows = batch(count=6)
    same, different = known.masks(np.arange(6))
    unit = torch.nn.functional.normalize(rows, dim=1)
    logits = (unit @ unit.T / 0.1).numpy().astype(np.float64)
    losses = []
    for n in range(6):
        kept = same[n] | different[n]
        total = np.log(np.exp(logits[n][kept]).sum())
        losses.append(-np.mean(logits[n][same[n]] - total))
    assert float(pair_loss("supcon")(rows, same, different)) == pytest.approx(np.mean(losses), rel=1e-4)


def test_batch_hard_takes_the_hardest_known_negative():
    known = KnownPairs.of(np.array([0, 0, 1, 2]), np.array([[0, 1]]))
    rows = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [1.0, 0.01]])
    # Anchor 0: positive 0.8, negative 0 (row 3 is unknown); anchor 1: positive 0.8, negative 0.6.
    value = float(pair_loss("triplet")(rows, *known.masks(np.arange(4))))
    assert value == pytest.approx((0 + (0.6 - 0.8 + 0.3)) / 2, abs=1e-5)


def test_without_known_pairs_the_triplet_loss_is_0():
    rows = batch(count=4).requires_grad_()
    nothing = np.zeros((4, 4), bool)
    value = pair_loss("triplet")(rows, nothing, nothing)
    value.backward()
    assert float(value.detach()) == 0


def test_an_unknown_loss_is_refused():
    with pytest.raises(ConfigError, match="supcon, triplet, circle"):
        pair_loss("softmax")
