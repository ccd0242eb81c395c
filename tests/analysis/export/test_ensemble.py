"""The average of several networks: right, on record before the test split is read, and read once."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from analysis.export import ensemble
from analysis.ranking import test_scores
from analysis.verify.run_folder import verify
from search.run import ledger
from trainables.data import loading
from trainables.errors import RunError, UsageError
from trainables.files import durable
from trainables.models.networks import build
from trainables.objective import LOSS
from trainables.training.loop import predict


@pytest.fixture
def cache(digits: Path) -> Path:
    return loading.prepare("digits", digits, progress=False)


def lines(folder: Path) -> list[tuple[str, list[int] | None]]:
    return [(line["state"], line.get("ensemble")) for line in durable.read_lines(folder / "tests.jsonl")]


def test_it_is_the_mean_of_the_softmax_outputs(trained_run: Path, cache: Path) -> None:
    run, images = ledger.read(trained_run), loading.load(cache)
    rows = json.loads(ensemble.score(run, 2, lambda _: cache, "json"))
    total = torch.zeros(300, 10)
    for trial in run.trials[:2]:
        model = build(trial.config, 10)
        model.load_state_dict(safetensors.torch.load_file(trial.folder / "best.safetensors"))
        total += torch.from_numpy(predict(model, images.val.images, images, "cpu", "fp32")).softmax(1)
    expected = (total.argmax(1).numpy() == images.val.labels).mean()
    assert rows[0]["val_accuracy"] == pytest.approx(expected)
    assert rows[0]["id"].startswith("ensemble-")
    assert sorted(rows[0]["members"]) == sorted(trial.id for trial in run.trials[:2])
    assert [row["id"] for row in rows[1:]] == rows[0]["members"]
    assert np.isfinite(rows[0]["test_accuracy"])


def test_it_is_scored_by_the_objective_of_its_run(trained_run: Path, cache: Path) -> None:
    """The loss of the mean probabilities, which is no mean of the losses; the test split has an accuracy."""
    facts = durable.read_json(trained_run / "run.json")
    durable.write_json(trained_run / "run.json", facts | {"objective": LOSS.record()})
    run, images = ledger.read(trained_run), loading.load(cache)
    rows = json.loads(ensemble.score(run, 2, lambda _: cache, "json"))
    total = torch.zeros(300, 10, dtype=torch.float64)
    for trial in run.trials[:2]:
        model = build(trial.config, 10)
        model.load_state_dict(safetensors.torch.load_file(trial.folder / "best.safetensors"))
        total += torch.from_numpy(predict(model, images.val.images, images, "cpu", "fp32")).double().softmax(1) / 2
    chances = total[torch.arange(300), torch.from_numpy(np.array(images.val.labels))]
    assert rows[0]["val_loss"] == pytest.approx(float(-chances.log().mean()))
    assert [row["val_loss"] for row in rows[1:]] == sorted(trial.value for trial in run.trials[:2])
    assert not any("val_accuracy" in row for row in rows)
    text = ensemble.score(run, 2, lambda _: cache, "md")
    assert text.splitlines()[0].split("|")[2:4] == ["   val loss ", "   test accuracy % "]
    assert f"{rows[0]['val_loss']:.4f}" in text


def test_each_member_computes_with_as_many_threads_as_trained_it(
    trained_run: Path, cache: Path, threads_seen: list[int]
) -> None:
    run = ledger.read(trained_run)
    ensemble.score(run, 2, lambda _: cache, "json")
    assert set(threads_seen) == {run.identity.threads}


def test_the_test_split_is_read_once_and_the_intent_comes_first(
    trained_run: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: Path) -> loading.Split:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loading, "load_test", killed)
        with pytest.raises(KeyboardInterrupt):
            ensemble.score(ledger.read(trained_run), 2, lambda _: cache, "md")
    assert [state for state, _ in lines(trained_run)] == ["intent"]
    texts = [ensemble.score(ledger.read(trained_run), 2, lambda _: cache, "md") for _ in range(2)]
    assert texts[0] == texts[1]
    assert [state for state, _ in lines(trained_run)] == ["intent", "intent", "done"]
    assert all(sorted(members or []) == [0, 1] for _, members in lines(trained_run))
    assert test_scores.reads(ledger.read(trained_run)) == 1
    run = ledger.read(trained_run)
    assert all(test_scores.evaluation(run, index, 2) is None for index in (0, 1)), "it is nobody's own value"
    assert [problem for problem in verify(trained_run) if problem.startswith("tests.jsonl")] == []


def test_too_few_weights_or_too_few_asked_for(trained_run: Path, cache: Path) -> None:
    run = ledger.read(trained_run)
    with pytest.raises(UsageError, match="at least 2"):
        ensemble.score(run, 1, lambda _: cache, "md")
    with pytest.raises(RunError, match="2 trials finished"):
        ensemble.score(run, 3, lambda _: cache, "md")
    assert lines(trained_run) == []


def test_an_unfinished_search_leaves_the_test_split_closed(trained_run: Path, cache: Path) -> None:
    run = ledger.read(trained_run)
    with pytest.raises(RunError, match="not complete"):
        ensemble.score(
            ledger.Run(run.folder, run.identity, dataclasses.replace(run.totals, trials=9), run.trials, [], []),
            2,
            lambda _: cache,
            "md",
        )
