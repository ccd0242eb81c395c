"""Each class counts alike in the loss: pytest tests/trainables/training/test_class_weight.py"""

import pytest
import torch
import torch.nn.functional as F

from trainables.training.augmentations import Batch
from trainables.training.step import class_weights, mixed_loss

LABELS = torch.tensor([0] * 6 + [1] * 2)
LOGITS = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))


def test_weights_are_in_inverse_proportion_to_the_images_and_one_in_the_mean():
    weights = class_weights({"class_weight": "balanced"}, LABELS, 3)
    assert weights[LABELS].mean() == pytest.approx(1)
    assert weights[0] * 6 == pytest.approx(weights[1] * 2)
    assert class_weights({"class_weight": "none"}, LABELS, 3) is class_weights({}, LABELS, 3) is None


def test_the_loss_of_a_class_counts_as_much_as_that_of_another():
    weights = class_weights({"class_weight": "balanced"}, LABELS, 3)
    batch = Batch(None, LABELS, LABELS, None)
    each = F.cross_entropy(LOGITS, LABELS, reduction="none")
    expected = (each[:6].mean() + each[6:].mean()) / 2
    assert mixed_loss(LOGITS, batch, 0.0, weights).item() == pytest.approx(expected.item())
    assert torch.equal(mixed_loss(LOGITS, batch, 0.0), F.cross_entropy(LOGITS, LABELS))
