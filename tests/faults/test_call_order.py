"""What is durable when, read off the system calls: write, fsync of the file, rename, fsync of the folder."""

import re
from pathlib import Path

import pytest

from trainables.files import durable

SEEN = "write,pwrite64,fsync,rename,unlink"
REPLACED = ["write .NAME.tmp", "fsync .NAME.tmp", "rename .NAME.tmp NAME", "fsync FOLDER"]


@pytest.fixture
def calls(traced, tmp_path):
    """The changing calls of an action in tmp_path, such as "fsync epochs.jsonl"; temporary files without their process."""

    def traced_calls(action, *arguments, folder=tmp_path) -> list[str]:
        end = traced(SEEN, "", action, folder, *arguments)
        assert end.code == 0
        return [short(line, folder) for line in end.calls.splitlines() if f"{folder}" in line]

    return traced_calls


def short(line: str, folder: Path) -> str:
    """strace's line as the call and the names that it is about."""
    call = re.search(r"(\w+)\(", line)[1]
    names = [path.removeprefix(f"{folder}/") for path in re.findall(rf"({re.escape(str(folder))}[^\">]*)", line)]
    names = ["FOLDER" if name == str(folder) else re.sub(r"\.\d+\.tmp$", ".tmp", name) for name in names]
    return " ".join([call, *names])


def replaced(name: str) -> list[str]:
    return [call.replace("NAME", name) for call in REPLACED]


def test_a_replaced_file_is_durable_before_its_name_and_its_name_before_the_end(calls):
    assert calls("run_json") == replaced("run.json")


def test_a_state_is_durable_before_its_sidecar_is_begun(calls):
    assert calls("state") == replaced("state-000002.pt") + replaced("state-000002.json")


def test_a_sidecar_is_removed_before_its_file(calls, tmp_path):
    durable.write_checked(tmp_path / "state-000002.pt", b"old", epoch=2)
    assert calls("drop") == ["unlink state-000002.json", "unlink state-000002.pt"]


@pytest.mark.parametrize("torn", ["", '{"epo'])
def test_a_line_is_one_write_and_then_an_fsync(calls, tmp_path, torn):
    (tmp_path / "epochs.jsonl").write_text('{"epoch": 1}\n' + torn)
    assert calls("line") == ["pwrite64 epochs.jsonl", "fsync epochs.jsonl"]


def test_a_decision_is_durable_before_it_is_acted_on(calls):
    """The victim ends right after it has the answer."""
    assert calls("decision") == ["fsync FOLDER", "pwrite64 decisions.jsonl", "fsync decisions.jsonl"]


@pytest.mark.parametrize("old", [None, b""])
def test_the_name_of_a_new_ledger_is_durable_before_its_first_line(calls, tmp_path, old):
    """Also when whoever created the file was killed before its name was durable."""
    if old is not None:
        (tmp_path / "epochs.jsonl").write_bytes(old)
    assert calls("line") == ["fsync FOLDER", "pwrite64 epochs.jsonl", "fsync epochs.jsonl"]


def test_a_trial_commits_each_row_then_its_state_but_its_last_state_first_and_the_outcome_last(calls, tmp_path, tiny):
    epochs = tiny["epochs"]
    seen = calls("train", tiny, folder=tmp_path / "trial")
    row = ["pwrite64 epochs.jsonl", "fsync epochs.jsonl"]
    expected = []
    for epoch in range(1, epochs + 1):
        name = f"state-{epoch:06d}"
        state = [*replaced(f"{name}.pt"), *replaced(f"{name}.json")]
        if epoch > 2:
            state += [f"unlink state-{epoch - 2:06d}.json", f"unlink state-{epoch - 2:06d}.pt"]
        committed = [*row, "pwrite64 timing.jsonl"]
        expected += [*state, *committed] if epoch == epochs else [*committed, *state]
    expected.append("pwrite64 timing.jsonl")  # the latency
    expected += replaced("val.npz") + replaced("best.safetensors") + replaced("best.json") + row
    older = [f"unlink state-{epochs - 1:06d}.json", f"unlink state-{epochs - 1:06d}.pt"]
    assert seen == ["fsync FOLDER", *expected, *older]  # first of all the name of the ledger


def test_at_most_seven_fsyncs_an_epoch(calls, tmp_path, tiny):
    """With a state after every epoch; the row alone costs one."""
    counts = [
        calls("train", tiny | {"epochs": epochs}, folder=tmp_path / str(epochs)).count
        for epochs in (2, 3)
    ]  # fmt: skip
    names = ("epochs.jsonl", ".state-000003.pt.tmp", ".state-000003.json.tmp", "FOLDER")
    assert sum(counts[1](f"fsync {name}") - counts[0](f"fsync {name}") for name in names) <= 7


def test_the_names_of_new_folders_are_durable_up_to_the_first_that_was_there(calls, tmp_path):
    assert calls("new_folder") == ["fsync runs/t", "fsync runs", "fsync FOLDER"]
