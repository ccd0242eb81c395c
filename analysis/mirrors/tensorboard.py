"""Write TensorBoard events into each trial folder, for `tensorboard --logdir runs/NAME/trials`.

The event file of a trial depends only on the trial's ledger and timing. When these grow, the event file grows at its end. So
the existing file is compared with the new content as bytes: a second conversion writes nothing, a longer trial appends, and a
torn or foreign file is replaced. TensorBoard's own writer is not used, because it puts the host's name into the file's name and
starts a new file in each process.
"""

import io
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboard.summary.writer.record_writer import RecordWriter

from analysis.mirrors.refreshing import changed
from analysis.mirrors.timing import started, timed_rows, timings
from search.run.ledger import Run, Trial
from trainables.files import durable

FILE = "events.out.tfevents.ledger"  # TensorBoard recognises event files by "tfevents" in the name
TAGS = {
    "train_loss": "train/loss",
    "train_accuracy": "train/accuracy",
    "val_loss": "val/loss",
    "val_accuracy": "val/accuracy",
    "lr": "lr",
}
BEST = "best/"  # tag of the best value so far: HPARAMS shows the last one, which is then the trial's value
SPEED = "images_per_second"
STATUS = {"diverged": api_pb2.STATUS_FAILURE, "failed": api_pb2.STATUS_FAILURE}


def refresh(run: Run, before: Run | None = None) -> None:
    """Write the new events of each trial."""
    start = started(run)
    for trial in changed(run, before):
        if trial.epochs or trial.ended:
            grow(trial.folder / FILE, encode(trial, list(run.identity.space_params), start))


def grow(path: Path, content: bytes) -> None:
    """Make `content` the content of a file; append if that is enough, so that a reader keeps its place in the file."""
    there = path.read_bytes() if path.exists() else b""
    if there and content.startswith(there):
        with path.open("ab") as file:
            file.write(content[len(there) :])
    elif there != content:
        durable.make_folder(path.parent)
        durable.write(path, content)


def encode(trial: Trial, searched: list[str], start: int) -> bytes:
    """The whole event file of a trial; each time is `start` plus seconds of training, because the ledger has no times."""
    file, timing = io.BytesIO(), timings(trial)
    writer, seconds, objective = RecordWriter(file), 0.0, trial.objective
    best = objective.worst
    add(writer, Event(wall_time=start, file_version="brain.Event:2"))
    hparams = {key: trial.config[key] for key in searched if key in trial.config} | {"seed": trial.seed}
    add(writer, Event(wall_time=start, summary=session_start(trial.id, hparams, start)))
    for row in timed_rows(trial, timing):
        seconds += timing.get(row["epoch"], {}).get("seconds", 0.0)
        best = objective.best([best, row[objective.column]])
        values = {TAGS.get(key, key): row[key] for key in row if key != "epoch"} | {BEST + objective.column: best}
        if SPEED in timing.get(row["epoch"], {}):
            values[SPEED] = timing[row["epoch"]][SPEED]
        add(writer, Event(wall_time=start + seconds, step=row["epoch"], summary=scalars(values)))
    if trial.ended:
        add(writer, Event(wall_time=start + seconds, summary=session_end(trial.status, start + seconds)))
    return file.getvalue()


def add(writer: RecordWriter, event: Event) -> None:
    writer.write(event.SerializeToString(deterministic=True))


def scalars(values: dict[str, float]) -> Summary:
    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])


def session_start(name: str, hparams: dict[str, Any], start: int) -> Summary:
    """The hyperparameters of a trial for TensorBoard's HPARAMS tab."""
    info = SessionStartInfo(group_name=name, start_time_secs=start)
    for key, value in hparams.items():
        if isinstance(value, bool):
            info.hparams[key].bool_value = value
        elif isinstance(value, (int, float)):
            info.hparams[key].number_value = value
        else:
            info.hparams[key].string_value = str(value)
    return hparams_summary(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=info))


def session_end(status: str, end: float) -> Summary:
    info = SessionEndInfo(status=STATUS.get(status, api_pb2.STATUS_SUCCESS), end_time_secs=end)
    return hparams_summary(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=info))


def hparams_summary(tag: str, data: HParamsPluginData) -> Summary:
    """Make an HPARAMS summary with deterministic bytes; TensorBoard's own constructor orders a map anew in each process."""
    data.version = metadata.PLUGIN_DATA_VERSION
    content = data.SerializeToString(deterministic=True)
    plugin = SummaryMetadata.PluginData(plugin_name=metadata.PLUGIN_NAME, content=content)
    return Summary(
        value=[Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=metadata.NULL_TENSOR)]
    )
