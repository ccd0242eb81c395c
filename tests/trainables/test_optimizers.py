"""The optimizers and their start: pytest tests/trainables/test_optimizers.py"""

import copy
import subprocess
import sys

import pytest
import torch

from trainables.config import complete
from trainables.optimizers import make_optimizer, plain_step


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_the_plain_step_changes_the_weights_as_torch_does(name):
    ours = torch.nn.Linear(4, 3)
    theirs = copy.deepcopy(ours)
    config = complete({"optimizer": name, "lr": 0.1})
    inputs = torch.randn(8, 4)
    first, second = make_optimizer(config, ours), make_optimizer(config, theirs)
    step = plain_step(first)
    for _ in range(3):
        for model, update in ((ours, step), (theirs, second.step)):
            model.zero_grad()
            model(inputs).square().sum().backward()
            update()
    assert torch.equal(ours.weight, theirs.weight)
    assert not torch.equal(ours.weight, copy.deepcopy(torch.nn.Linear(4, 3)).weight)


def test_training_does_not_import_the_compiler_of_torch():
    code = (
        "import sys, torch; from trainables.config import complete; from trainables.optimizers import *\n"
        "model = torch.nn.Linear(2, 2); optimizer = make_optimizer(complete({}), model)\n"
        "model(torch.ones(1, 2)).sum().backward(); plain_step(optimizer)(); optimizer.zero_grad()\n"
        "optimizer.load_state_dict(optimizer.state_dict())\n"
        "print('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
