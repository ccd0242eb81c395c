"""TensorBoard's events, read back by TensorBoard's own reader."""

import socket
from pathlib import Path

import pytest

from analysis.mirrors import refreshing
from search.run import ledger

pytest.importorskip("tensorboard", reason='needs pip install -e ".[tensorboard]"')

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from analysis.mirrors import tensorboard

TAGS = {
    "train/loss", "train/accuracy", "val/loss", "val/accuracy", "lr", "best/val_accuracy", "images_per_second",
}  # fmt: skip


def convert(growing) -> None:
    refreshing.mirror(growing.folder, ["tensorboard"])


def read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    return events.Reload()


def steps(folder: Path, tag: str = "val/accuracy") -> list[tuple[int, float]]:
    return [(event.step, round(event.value, 6)) for event in read(folder).Scalars(tag)]


def test_every_curve_is_there(growing):
    for epoch, value in enumerate((0.5, 0.7, 0.6), 1):
        growing.row(0, epoch, value)
    convert(growing)
    assert set(read(growing.trial(0)).Tags()["scalars"]) == TAGS
    assert steps(growing.trial(0)) == [(1, 0.5), (2, 0.7), (3, 0.6)]
    assert steps(growing.trial(0), "best/val_accuracy") == [(1, 0.5), (2, 0.7), (3, 0.7)]
    assert steps(growing.trial(0), "images_per_second") == [(1, 100.0), (2, 100.0), (3, 100.0)]


def test_seconds_of_training_are_the_relative_time(growing):
    growing.row(0, 1, 0.5, seconds=3.0)
    growing.row(0, 2, 0.5, seconds=4.0)
    convert(growing)
    first, second = (event.wall_time for event in read(growing.trial(0)).Scalars("lr"))
    assert second - first == pytest.approx(4.0)


def test_hyperparameters_and_the_end_of_the_trial_are_there(growing):
    growing.row(0, 1, 0.5)
    growing.end(0, "diverged", epoch=2)
    convert(growing)
    summaries = read(growing.trial(0)).summary_metadata
    start = metadata.parse_session_start_info_plugin_data(
        summaries[metadata.SESSION_START_INFO_TAG].plugin_data.content
    )
    assert start.hparams["lr"].number_value == 0.01
    assert start.hparams["augment"].string_value == "flip"
    end = metadata.parse_session_end_info_plugin_data(summaries[metadata.SESSION_END_INFO_TAG].plugin_data.content)
    assert end.status == tensorboard.STATUS["diverged"]


def test_a_second_conversion_writes_nothing(growing):
    growing.row(0, 1, 0.5)
    convert(growing)
    (file,) = growing.trial(0).glob("*tfevents*")
    before = file.stat()
    convert(growing)
    assert file.stat().st_mtime_ns == before.st_mtime_ns


def test_a_growing_trial_only_appends_so_that_a_reader_goes_on_where_it_was(growing):
    growing.row(0, 1, 0.5)
    convert(growing)
    reader = read(growing.trial(0))
    growing.row(0, 2, 0.6)
    growing.end(0, "finished")
    convert(growing)
    assert [event.step for event in reader.Reload().Scalars("val/accuracy")] == [1, 2]


def test_no_step_comes_twice_when_an_epoch_was_trained_again(growing):
    growing.row(0, 1, 0.5)
    convert(growing)
    again = {"epoch": 1, "seconds": 9.0, "images_per_second": 1.0, "host": "other", "device": "cpu"}
    growing.line(growing.trial(0) / "timing.jsonl", again)
    growing.row(0, 2, 0.6)
    convert(growing)
    assert steps(growing.trial(0)) == [(1, 0.5), (2, 0.6)]


def test_a_longer_training_goes_on(growing):
    growing.row(0, 1, 0.5)
    growing.ask(epochs=1)
    growing.end(0, "finished")
    convert(growing)
    growing.ask(epochs=2)
    growing.row(0, 2, 0.6)
    convert(growing)
    assert steps(growing.trial(0)) == [(1, 0.5), (2, 0.6)]


@pytest.mark.parametrize("kept", [1, 40, -3])
def test_a_torn_file_is_mended(growing, kept):
    growing.row(0, 1, 0.5)
    growing.row(0, 2, 0.6)
    convert(growing)
    (file,) = growing.trial(0).glob("*tfevents*")
    whole = file.read_bytes()
    file.write_bytes(whole[:kept])
    convert(growing)
    assert file.read_bytes() == whole


def test_a_row_waits_for_its_timing_while_the_trial_runs(growing):
    growing.row(0, 1, 0.5)
    timing = (growing.trial(0) / "timing.jsonl").read_text()
    growing.row(0, 2, 0.6)
    (growing.trial(0) / "timing.jsonl").write_text(timing)
    convert(growing)
    assert steps(growing.trial(0)) == [(1, 0.5)]


def test_neither_file_nor_events_name_the_host_or_ray(growing):
    growing.row(0, 1, 0.5)
    convert(growing)
    (file,) = growing.trial(0).glob("*tfevents*")
    for word in (socket.gethostname(), "secret", "ray"):
        assert word not in file.name
        assert word.encode() not in file.read_bytes()


def test_the_bytes_are_the_same_in_another_process(growing):
    """A map of hyperparameters has no order of its own."""
    import subprocess
    import sys

    growing.row(0, 1, 0.5)
    convert(growing)
    (file,) = growing.trial(0).glob("*tfevents*")
    first = file.read_bytes()
    file.unlink()
    command = [sys.executable, "-m", "analysis", "mirror", str(growing.folder), "--to", "tensorboard"]
    subprocess.run(command, check=True)
    assert file.read_bytes() == first


def test_a_trial_that_had_ended_is_not_encoded_again(growing, monkeypatch):
    growing.row(0, 1, 0.5)
    growing.stop(0, 1)
    convert(growing)
    run = ledger.read(growing.folder)
    monkeypatch.setattr(tensorboard, "encode", lambda *_: pytest.fail("encoded again"))
    tensorboard.refresh(run, run)
