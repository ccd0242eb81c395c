"""Each class counts alike in the loss: pytest tests/trainables/training/test_class_weight.py"""

import pytest
import torch
import torch.nn.functional as F

from trainables.config import complete
from trainables.losses.cross_entropy import balanced
from trainables.training.augmentations import Batch
from trainables.training.losses import mixed_loss

LABELS = torch.tensor([0] * 6 + [1] * 2)
COUNTS = torch.tensor([6, 2, 0])
LOGITS = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))


def test_weights_are_in_inverse_proportion_to_the_images_and_one_in_the_mean():
    weights = balanced(COUNTS)
    assert weights[LABELS].mean() == pytest.approx(1)
    assert weights[0] * 6 == pytest.approx(weights[1] * 2)


def test_the_loss_of_a_class_counts_as_much_as_that_of_another():
    batch = Batch(None, LABELS, LABELS, None)
    each = F.cross_entropy(LOGITS, LABELS, reduction="none")
    expected = (each[:6].mean() + each[6:].mean()) / 2
    weighted = mixed_loss(complete({"class_weight": "balanced"}), COUNTS)
    assert weighted(LOGITS, batch).item() == pytest.approx(expected.item())
    assert torch.equal(mixed_loss(complete({}), COUNTS)(LOGITS, batch), F.cross_entropy(LOGITS, LABELS))


def test_mixed_images_count_by_the_classes_of_both_labels():
    others, weight = LABELS.flip(0), torch.linspace(0, 1, 8)
    first, second = (
        F.cross_entropy(LOGITS, labels, reduction="none") * balanced(COUNTS)[labels] for labels in (LABELS, others)
    )
    weighted = mixed_loss(complete({"class_weight": "balanced"}), COUNTS)
    found = weighted(LOGITS, Batch(None, LABELS, others, weight))
    assert found.item() == pytest.approx((weight * first + (1 - weight) * second).mean().item())
