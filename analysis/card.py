"""The model card of an export: what the network is, how good it was found to be, and ten lines that load it."""

import numpy as np

from analysis import commands, majority, statistics
from analysis.markdown import NOTHING, count, escape, fence, inline, interval, percent, plural, sentence, setting, table
from analysis.standing import confirmations, fresh_trials, stand
from analysis.testing import evaluation
from analysis.trials import label
from search.ledger import Run, Trial
from trainables import census, written
from trainables.durable import Record
from trainables.objective import ACCURACY, Objective

SNIPPET = """import json, sys, torch
from safetensors.torch import load_file
sys.path.insert(0, folder := ".")  # where this file is
from model import build
facts = json.load(open(f"{folder}/config.json"))
network = build(facts["config"], len(facts["classes"])).eval()
network.load_state_dict(load_file(f"{folder}/model.safetensors"))
mean, std = (torch.tensor(facts[key]).view(3, 1, 1) for key in ("mean", "std"))
images = torch.rand(1, 3, 32, 32)  # yours: RGB, 32 x 32 pixels, values from 0 to 1
print(network((images - mean) / std).softmax(1))  # (N, classes)"""


def card(run: Run, trial: Trial, facts: Record) -> str:
    """The text of README.md; `facts` is the content of config.json."""
    rows = [[escape(key), escape(setting(key, value))] for key, value in trial.config.items()]
    again = facts["trained_on"] != "train"
    parts = [
        f"# {escape(trial.config['model'])} for {escape(run.identity.dataset_title)}",
        about(run, facts, again),
        f"## How good it is\n\n{table(['accuracy of', 'on', '%'], numbers(run, trial), 'llr')}",
        caution(again, run.identity.objective),
        warnings(run, trial),
        f"## Use it\n\nWith torch and safetensors, nothing else:\n\n```python\n{SNIPPET}\n```",
        f"## Configuration\n\n{table(['parameter', 'value'], rows, 'll')}",
        f"## Where it comes from\n\n{fence(commands.train_again(run, trial))}",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def about(run: Run, facts: Record, again: bool) -> str:
    sizes, classes = run.identity.sizes, facts["classes"]
    images = sizes["train"] + (sizes["val"] if again else 0)
    what = f"{count(images)} images (training{' and validation' if again else ''})"
    length = plural(facts["epoch"], "epoch") + averaging(facts["config"])
    return (
        f"An image classifier for {count(len(classes))} classes, trained on {what} of "
        f"32 x 32 pixels for {length}; trial {escape(facts['trial'])} of the search "
        f"{escape(facts['run'])}. Classes: {', '.join(map(escape, classes))}."
    )


def averaging(config: Record) -> str:
    """Over how many epochs the weights are an average, if they are one."""
    horizon = config.get("ema", 0)
    return f" (the weights are an average over about {horizon:g} of them)" if horizon else ""


def numbers(run: Run, trial: Trial) -> list[list[str]]:
    """Validation, confirmed (if it was) and test (if it was read) accuracy with their intervals."""
    assert trial.best is not None, "an exported trial has epochs"
    images, value = run.identity.sizes["val"], trial.best[ACCURACY.column]
    ranked = stand(run).trials  # the best of many by accuracy has an interval that knows of it
    known = ranked.loc[ranked["index"] == trial.index, ["low", "high"]].dropna()
    bounds = [tuple(pair) for pair in known.to_numpy()]
    told = with_bounds(value, *bounds[0]) if bounds else with_interval(value, images)
    own = f"the network of trial {escape(label(trial))}"
    rows = [[own, f"{count(images)} validation images", told]]
    if (constant := beside(run, trial)) and constant.matters:
        rows.append(
            ["always saying the most common class", f"{count(images)} validation images", percent(constant.share)]
        )
    fresh = [other.best[ACCURACY.column] for other in confirmations(run, trial) if other.best]
    if fresh:
        spread = f"{percent(min(fresh))} to {percent(max(fresh))}"
        where = f"the same images, mean of {plural(len(fresh), 'fresh seed')} ({spread})"
        rows.append(["this configuration, confirmed", where, percent(sum(fresh) / len(fresh))])
    elif lost := lost_seeds(run, trial):
        rows.append(["this configuration, confirmed", f"not finished on {plural(lost, 'fresh seed')}", NOTHING])
    metrics = evaluation(run, trial.index, trial.best["epoch"])
    if metrics:
        on = f"{count(metrics['count'])} test images"
        rows.append([own, on, with_interval(metrics["accuracy"], metrics["count"])])
    return rows


def beside(run: Run, trial: Trial) -> majority.Majority | None:
    """How this network compares with always saying the most common class."""
    where = stand(run)
    own = where.trials[where.trials["index"] == trial.index]
    return None if own.empty else majority.beside(run, where, own.iloc[0])


def warnings(run: Run, trial: Trial) -> str:
    """What makes these numbers worth less: a constant answer that is as good, classes without images, copies."""
    constant, about_images = beside(run, trial), run.identity.census
    remarks = census.remarks(about_images, run.identity.classes)
    if constant and not constant.is_beaten:
        remarks.insert(0, f"it is not shown to do better than always saying {constant.name}.")
    return "\n".join(f"- {inline(sentence(remark))}" for remark in remarks)


def lost_seeds(run: Run, trial: Trial) -> int:
    """On how many fresh seeds a configuration ended without having finished."""
    return sum(
        other.ended and other.status != "finished" for other in fresh_trials(run) if other.config == trial.config
    )


def with_interval(value: float, images: int) -> str:
    low, high = statistics.wilson(np.array([round(value * images)]), images)
    return with_bounds(value, low[0], high[0])


def with_bounds(value: float, low: float, high: float) -> str:
    return f"{percent(value)} (95 % interval {interval(low, high)})"


def caution(again: bool, objective: Objective) -> str:
    """What the numbers are of, and what they are not."""
    if again:
        return (
            "**These weights were trained again on training and validation images together. The numbers above are of the "
            "model before that**, which had seen the training images only; these weights themselves were not measured."
        )
    return (
        f"The configuration and its epoch were chosen by {written.title(objective)}, so numbers on validation images flatter, "
        "those of fresh seeds a little, too; the test images had no part in choosing. Expect less on images taken in another way."
    )
