"""What a node of a cluster answers, without Ray: pytest tests/search/backend/test_nodes.py"""

import ast
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from search.backend.nodes import Asked, Wanted, answer_of, environment, installed, prepare, ready, see, wanted
from trainables.data import loading
from trainables.errors import DataError, StorageError


@pytest.fixture
def asked(tmp_path):
    run = tmp_path / "runs" / "t"
    (run / "ray").mkdir(parents=True)
    (run / "ray" / "word").write_text("open sesame")
    cache = loading.prepare("digits", tmp_path / "data", progress=False).resolve()
    return Asked(run, "open sesame", (Wanted(cache, "digits", tmp_path / "data", loading.load(cache).fingerprint),))


def test_a_node_is_given_every_package_of_ours_that_one_of_them_imports():
    given = [Path(folder) for folder in environment()["py_modules"]]
    ours = {path.parent.name for path in given[0].parent.glob("*/__init__.py")}
    trees = [ast.parse(path.read_text("utf-8")) for folder in given for path in folder.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    imported = {name.partition(".")[0] for name in names} & ours
    assert imported <= {folder.name for folder in given}, "search.backend.worker is imported on other nodes"


def test_a_node_that_sees_the_run_answers_in_it(asked):
    assert ready(asked, "a") is None
    assert answer_of(asked.run, asked.word, "a").exists()


@pytest.mark.parametrize(("version", "kind"), [(installed("torch"), None), ("0.1", "ray")])
def test_a_node_with_another_version_of_torch_says_so(asked, version, kind):
    fault = ready(replace(asked, images=(), versions={"torch": version}), "a")
    assert (fault and fault.kind) == kind
    assert fault is None or "where the search has 0.1. Install the same versions on every node" in fault.message


@pytest.mark.parametrize("word", ["another", None])
def test_a_node_that_sees_another_folder_or_none_says_so(asked, word):
    path = asked.run / "ray" / "word"
    path.unlink() if word is None else path.write_text(word)
    with pytest.raises(StorageError, match="the run folder cannot be used"):
        see(asked, "a")
    assert ready(asked, "a").kind == "storage"
    assert not answer_of(asked.run, asked.word, "a").exists()


def test_images_that_a_node_lacks_are_prepared_there(asked):
    for path in sorted(asked.images[0].cache.rglob("*"), reverse=True):
        path.unlink()
    asked.images[0].cache.rmdir()
    prepare(asked.images[0])
    assert loading.load(asked.images[0].cache).fingerprint == asked.images[0].fingerprint


def test_other_images_and_another_place_are_refused(asked, tmp_path):
    with pytest.raises(DataError, match="other images"):
        prepare(replace(asked.images[0], fingerprint="0" * 64))
    with pytest.raises(DataError, match="the images lie in"):
        prepare(replace(asked.images[0], cache=tmp_path / "elsewhere"))


def test_a_training_of_the_users_own_needs_no_images(asked):
    assert ready(replace(asked, images=()), "a") is None


def test_images_of_every_size_of_a_search_are_asked_for(tmp_path, settings):
    caches = loading.prepare_sizes("digits", tmp_path / "data", [16, 24], progress=False)
    asked = wanted(settings(cache=caches[16], caches=caches, data_dir=tmp_path / "data", dataset="digits"))
    assert [each.image_size for each in asked] == [16, 24]
    for each in asked:
        shutil.rmtree(each.cache)
    for each in asked:
        prepare(each)
        assert loading.load(each.cache).fingerprint == each.fingerprint
