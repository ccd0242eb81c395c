"""The interface of this folder: every durable write of the project, and strict readers. Durable data survives a power cut."""

from trainables.files.atomic import make_folder, sweep, sync_folder, write
from trainables.files.checked import read_checked, remove_checked, remove_states, sha256, states, write_checked
from trainables.files.json_lines import Record, append, parse, read_json, read_last_with, read_lines, write_json
from trainables.files.lock import folder_lock
from trainables.files.refusals import DENIED, FULL, OF_THE_MACHINE, storage_error

__all__ = [
    "DENIED", "FULL", "OF_THE_MACHINE", "Record", "append", "folder_lock", "make_folder", "parse", "read_checked", "read_json",
    "read_last_with", "read_lines", "remove_checked", "remove_states", "sha256", "states", "storage_error", "sweep",
    "sync_folder", "write", "write_checked", "write_json",
]  # fmt: skip
