"""The model card of an export: a description of the network, its measured accuracy, and eleven lines of code to load it."""

from collections.abc import Iterator

import numpy as np

from analysis.ranking import statistics
from analysis.ranking.standing import Standing, confirmations, repetitions, stand
from analysis.ranking.test_scores import evaluation
from analysis.render import commands
from analysis.render.blocks import Block, Bold, Commands, Foreign, Heading, Paragraph, Table, Words, items, join, pairs
from analysis.render.markdown import NOTHING, interval, percent, rendered, sentence, setting
from analysis.results import majority
from analysis.results.sections.test_metrics import has_groups
from search.run.ledger import Run, Trial
from trainables import written
from trainables.config import image_size
from trainables.data import census
from trainables.files.durable import Record
from trainables.objective import ACCURACY
from trainables.parts import named
from trainables.written import count, plural

SNIPPET = """import json, sys, torch
from safetensors.torch import load_file
folder = "."  # where this file is
sys.path.insert(0, folder)
from model import build
facts = json.load(open(f"{folder}/config.json"))
network = build(facts["config"], len(facts["classes"])).eval()
network.load_state_dict(load_file(f"{folder}/model.safetensors"))
mean, std = (torch.tensor(facts[key]).view(3, 1, 1) for key in ("mean", "std"))
images = torch.rand(1, 3, 32, 32)  # yours: RGB, 32 x 32 pixels, values from 0 to 1
print(network((images - mean) / std).softmax(1))  # (N, classes)"""


PROGRAM = """import json, torch
folder = "."  # where this file is
facts = json.load(open(f"{folder}/config.json"))
network = torch.export.load(f"{folder}/program.pt2").module()
mean, std = (torch.tensor(facts[key]).view(3, 1, 1) for key in ("mean", "std"))
images = torch.rand(1, 3, 32, 32)  # yours: RGB, 32 x 32 pixels, values from 0 to 1
print(network((images - mean) / std).softmax(1))  # (N, classes)"""


ONNX = """import json, numpy, onnxruntime
folder = "."  # where this file is
facts = json.load(open(f"{folder}/config.json"))
session = onnxruntime.InferenceSession(f"{folder}/model.onnx")
mean, std = (numpy.array(facts[key], numpy.float32).reshape(3, 1, 1) for key in ("mean", "std"))
images = numpy.random.rand(1, 3, 32, 32).astype(numpy.float32)  # yours: RGB, 32 x 32 pixels, values from 0 to 1
print(session.run(["logits"], {"images": (images - mean) / std})[0])  # (N, classes)"""


def card(run: Run, trial: Trial, facts: Record, refused: str = "") -> str:
    """The text of README.md; `facts` is the content of config.json.

    Args:
        refused: why there is no program.pt2.
    """
    again, where = facts["trained_on"] != "train", stand(run)
    constant = beside(run, trial, where)
    return rendered((
        Heading((Foreign(trial.config["model"]), " for ", Foreign(run.identity.dataset_title)), 1),
        Paragraph(about(run, facts, again)),
        Heading("How good it is"),
        Table(("accuracy of", "on", "%"), numbers(run, trial, where, constant), "llr"),
        Paragraph(caution(run, trial, again)),
        *items(warnings(run, constant)),
        Heading("Use it"),
        *use(facts, refused),
        Heading("Configuration"),
        *pairs(("parameter", "value"), {key: setting(key, value) for key, value in trial.config.items()}),
        Heading("Where it comes from"),
        Commands((commands.train_again(run, trial),)),
    )) + "\n"  # fmt: skip


def use(facts: Record, refused: str) -> Iterator[Block]:
    """How the network is loaded: from its source, as a torch.export program, and as ONNX."""
    yield from of_torch(facts, refused)
    if "onnx_sha256" in facts:
        yield from (Paragraph("With onnxruntime and numpy:"), snippet(ONNX, facts))


def snippet(text: str, facts: Record) -> Commands:
    """Python for images of the network's size; the text is for 32 x 32 pixels."""
    side = image_size(facts["config"])
    sized = text.replace("3, 32, 32", f"3, {side}, {side}").replace("32 x 32", f"{side} x {side}")
    return Commands(tuple(sized.split("\n")), "python")


def of_torch(facts: Record, refused: str) -> Iterator[Block]:
    """How the network is loaded with torch: from its source, and as a torch.export program.

    Args:
        facts: the content of config.json.
        refused: why there is no program; empty if there is one or none was tried.
    """
    library, has_program = named.adapter(str(facts["config"].get("model", ""))), "program_sha256" in facts
    source, program = snippet(SNIPPET, facts), snippet(PROGRAM, facts)
    if library and has_program:
        yield from (Paragraph("With torch, nothing else:"), program)
        yield from (Paragraph(f"With torch, safetensors and {library}, to train it further:"), source)
        return
    yield Paragraph(f"With torch and safetensors{f' and {library}' if library else ', nothing else'}:")
    yield source
    if has_program:
        yield from (Paragraph("Or as a program of torch.export, without its source:"), program)
    elif refused:
        yield Paragraph(("torch.export makes no program of this network: ", Foreign(refused), "."))


def about(run: Run, facts: Record, again: bool) -> Words:
    side, classes = image_size(facts["config"]), facts["classes"]
    return (
        f"An image classifier for {count(len(classes))} classes, trained on {trained_on(run, again)} of {side} x {side} "
        f"pixels for {plural(facts['epoch'], 'epoch')}"
        f"{averaging(facts['config'])}; trial ",
        Foreign(facts["trial"]), " of the search ", Foreign(facts["run"]), ". Classes: ",
        join(", ", map(Foreign, classes)), ".",
    )  # fmt: skip


def trained_on(run: Run, again: bool) -> str:
    """The images that the network was trained on, in words: which images and how many."""
    sizes, folds, fraction = run.identity.sizes, run.identity.folds, run.identity.fraction
    if folds and not again:
        part = "" if fraction == 1 else f"{100 * fraction:g} % of "
        return f"{part}{folds - 1} of {folds} folds of the {count(sizes['val'])} images (training and validation)"
    if folds and fraction < 1:
        return f"{100 * fraction:g} % of the training images and all validation images"
    images = sizes["val"] if folds else sizes["train"] + (sizes["val"] if again else 0)
    return f"{count(images)} images (training{' and validation' if again else ''})"


def averaging(config: Record) -> str:
    """A remark that the weights are an average over epochs; empty if the weights are not averaged."""
    horizon = config.get("ema", 0)
    return f" (the weights are an average over about {horizon:g} of them)" if horizon else ""


def numbers(run: Run, trial: Trial, where: Standing, constant: majority.Majority | None) -> tuple[tuple[str, ...], ...]:
    """Rows of accuracies in percent: validation, confirmed (if confirmed) and test (if the test split was read).

    If it matters, a row with the accuracy of always saying the most common class is added.
    """
    assert trial.best is not None, "an exported trial has epochs"
    own, on = f"the network of trial {trial.label}", f"{count(run.identity.sizes['val'])} validation images"
    on = f"the images of fold {trial.fold}, on which it was not trained" if trial.fold else on
    rows = [(own, on, on_validation(run, trial, where))]
    if constant and constant.matters:
        rows.append(("always saying the most common class", on, percent(constant.share)))
    rows += [*on_seeds(run, trial), *confirmed(run, trial)]
    if metrics := evaluation(run, trial.index, trial.best["epoch"]):
        told = percent(metrics["accuracy"])
        told = told if has_groups(run) else with_interval(metrics["accuracy"], metrics["count"])
        rows.append((own, f"{count(metrics['count'])} test images", told))
    return tuple(rows)


def on_validation(run: Run, trial: Trial, where: Standing) -> str:
    """The validation accuracy in percent with its interval; without an interval for folds, or groups that have none.

    The interval of a ranking by accuracy comes first, because it allows for the choice of the best trial. A trial without one
    gets Wilson's interval.
    """
    ranked = where.trials
    known = ranked.loc[ranked["index"] == trial.index, ["low", "high"]].dropna()
    bounds = [tuple(pair) for pair in known.to_numpy()] if run.identity.objective.is_accuracy else []
    assert trial.best is not None, "an exported trial has epochs"
    value = trial.best[ACCURACY.column]
    if run.identity.folds or (run.identity.groups and not bounds):
        return percent(value)  # Wilson's interval would assume independent images
    return with_bounds(value, *bounds[0]) if bounds else with_interval(value, run.identity.val_images)


def on_seeds(run: Run, trial: Trial) -> list[tuple[str, str, str]]:
    """The row about all seeds or folds of the search: their mean accuracy; empty for a search on one seed."""
    values = [other.best[ACCURACY.column] for other in repetitions(run, trial) if other.best]
    if not values:
        return []
    spread = f"{percent(min(values))} to {percent(max(values))}"
    on = f"validation, mean of {plural(len(values), run.identity.repeat)} of the search (from {spread})"
    return [("this configuration", on, percent(sum(values) / len(values)))]


def confirmed(run: Run, trial: Trial) -> list[tuple[str, str, str]]:
    """The row about fresh seeds: their mean accuracy, or how many did not finish; empty if there is neither."""
    what = "this configuration, confirmed"
    if fresh := [other.best[ACCURACY.column] for other in confirmations(run, trial) if other.best]:
        spread = f"{percent(min(fresh))} to {percent(max(fresh))}"
        on = f"the same images, mean of {plural(len(fresh), f'fresh {run.identity.repeat}')} (from {spread})"
        return [(what, on, percent(sum(fresh) / len(fresh)))]
    lost = lost_seeds(run, trial)
    return [(what, f"not finished on {plural(lost, f'fresh {run.identity.repeat}')}", NOTHING)] if lost else []


def beside(run: Run, trial: Trial, where: Standing) -> majority.Majority | None:
    """How this network compares with always saying the most common class."""
    own = where.trials[where.trials["index"] == trial.index]
    return None if own.empty else majority.beside(run, where, own.iloc[0])


def warnings(run: Run, constant: majority.Majority | None) -> list[str]:
    """Warnings about the accuracies: a constant answer that is as good, and remarks about the data set's images."""
    remarks = census.remarks(run.identity.census, run.identity.classes)
    if constant and not constant.is_beaten:
        remarks.insert(0, f"it is not shown to do better than always saying {constant.name}.")
    return list(map(sentence, remarks))


def lost_seeds(run: Run, trial: Trial) -> int:
    """The number of fresh seeds on which a configuration ended without finishing."""
    return sum(other.ended and other.status != "finished" for other in run.fresh_trials if other.config == trial.config)


def with_interval(value: float, images: int) -> str:
    low, high = statistics.wilson(np.array([round(value * images)]), images)
    return with_bounds(value, low[0], high[0])


def with_bounds(value: float, low: float, high: float) -> str:
    return f"{percent(value)} (95 % interval {interval(low, high)})"


def caution(run: Run, trial: Trial, again: bool) -> Words:
    """A warning about which weights the accuracies belong to, or about how the choice of the winner flatters them."""
    if again:
        return (
            Bold(
                "These weights were trained again on training and validation images together. The numbers above are of the "
                "model before that"
            ),
            ", which had seen the training images only; these weights themselves were not measured.",
        )
    fresh = ", and values of fresh seeds a little, too" if confirmed(run, trial) else ""
    assert trial.best is not None, "an exported trial has epochs"
    tested = "The test images had no part in choosing. " if evaluation(run, trial.index, trial.best["epoch"]) else ""
    return (
        f"The configuration and its epoch were chosen by {written.title(run.identity.objective)} on the validation images, so "
        f"values on them are optimistically biased{fresh}. {tested}Expect less on images taken in another way."
    )
