"""Parts by their names: `mlp`, `my_nets.py:FlowerNet`, `my_package.nets:FlowerNet`, `torchvision:resnet50`. No torch here.

Plans, run folders and Ray hold names of parts and never the objects.
"""

import functools
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from trainables.errors import SpaceError
from trainables.parts import signature, whose
from trainables.parts.family import MODEL, ROOT, Family, built_in, of_file
from trainables.parts.signature import Signature
from trainables.suggestions import closest, suggestion, unknown

ADAPTERS = {path.stem: path for path in sorted((ROOT / "parts" / "adapters").glob("[a-z]*.py"))}
OURS = ("trainables", "spaces", "search", "analysis", "run_search")
APART = "parts_of_"  # prefix of a user's module whose name another module has already


def is_built_in(text: str) -> bool:
    return ":" not in text


def adapter(text: str) -> str | None:
    """The library of a part such as `torchvision:resnet50`, if it is one of ADAPTERS, else None."""
    prefix = text.partition(":")[0]
    return prefix if prefix in ADAPTERS and ":" in text else None


def check(family: Family, text: Any) -> None:
    """Refuse a text that cannot be the name of a part. Nothing is imported, so the file of a name may still be missing.

    Raises:
        SpaceError: the text is not such a name; for an unknown built-in name the message lists the known names.
    """
    if not isinstance(text, str) or (is_built_in(text) and text not in built_in(family)):
        raise SpaceError(f"{unknown(family.key, text, built_in(family))}{own_instead(text)}")
    if adapter(text) and family is not MODEL:
        raise SpaceError(f"{text!r} is a model, not a part of kind {family.key}.")
    module, _, name = text.partition(":")
    if not is_built_in(text) and not ((module and name.isidentifier()) or adapter(text)):
        raise SpaceError(f"{text!r} names no {family.key}. Write FILE.py:NAME, or PACKAGE.MODULE:NAME.")


def own_instead(text: Any) -> str:
    """The hint on how to name a user's own part, if the text looks like one; else empty."""
    if not isinstance(text, str) or not ("." in text or text[:1].isupper()):
        return ""
    module, _, name = text.removesuffix(".py").rpartition(".")
    return f" Your own: {module or 'my_parts'}.py:{name}."


def canonical(text: Any) -> Any:
    """The one spelling of a name: my_nets.py:FlowerNet for ./my_nets.py:FlowerNet."""
    if not isinstance(text, str) or not text.partition(":")[0].endswith(".py"):
        return text
    file, _, name = text.partition(":")
    return f"{Path(file).as_posix()}:{name}"


def signature_of(family: Family, text: str) -> Signature:
    """The knobs of the part of this family and name.

    Raises:
        SpaceError: there is no such part, or a user's part cannot be imported.
    """
    check(family, text)
    if is_built_in(text):
        return built_in(family)[text]
    if library := adapter(text):
        return of_adapter(library)
    part = load(family, text)
    return signature.from_object(part, family.given, family.first_of(inspect.isclass(part)))


@functools.cache
def of_adapter(library: str) -> Signature:
    """The knobs of all models of a library: the parameters of its adapter function, except the model's name."""
    found = of_file(MODEL, ADAPTERS[library], library)
    assert found is not None, "the file of an adapter defines its own name"
    return {name: knob for name, knob in found.items() if name != "name"}


def load(family: Family, text: str, folder: Path | None = None) -> Any:
    """The function or class of a name.

    Args:
        folder: folder of the user's code, to which files are relative; None if its modules can be imported already.

    Raises:
        SpaceError: there is no such part, or its file cannot be imported; the message has the user's file and line if known.
    """
    check(family, text)
    if is_built_in(text):
        return getattr(importlib.import_module(f"trainables.{family.folder}.{text}"), text)
    prefix, _, name = text.partition(":")
    if library := adapter(text):
        maker = getattr(importlib.import_module(f"trainables.parts.adapters.{library}"), library)
        return functools.partial(maker, name)
    module = imported(prefix, folder, text)
    if not callable(getattr(module, name, None)):
        names = [
            each for each, value in vars(module).items() if callable(value) and value.__module__ == module.__name__
        ]
        raise SpaceError(f"{prefix} has no function or class {name!r}.{suggestion(name, names)}")
    return getattr(module, name)


def imported(prefix: str, folder: Path | None, text: str) -> ModuleType:
    """Import the module of a part, which is the text `prefix` before the colon of its name."""
    if folder:
        reach(folder.resolve())
    try:
        return from_file(prefix, folder) if prefix.endswith(".py") else importlib.import_module(prefix)
    except SpaceError:
        raise
    except ModuleNotFoundError as error:
        missing = prefix.removesuffix(".py").replace("/", ".")
        if error.name and (missing == error.name or missing.startswith(f"{error.name}.")):
            looked = folder or Path.cwd()
            raise SpaceError(f"cannot import {text}: {looked} has no {prefix}.{alike(prefix, looked)}") from error
        raise SpaceError(f"cannot import {text}: {whose.place(error) or prefix}: {whose.said(error)}") from error
    except (Exception, SystemExit) as error:
        raise SpaceError(f"cannot import {text}: {whose.place(error) or prefix}: {whose.said(error)}") from error


def alike(prefix: str, folder: Path) -> str:
    """The hint on a file of a similar name in the folder, or on the folder to which files are relative."""
    files = [path.relative_to(folder).as_posix() for path in folder.glob("*.py")] if folder.is_dir() else []
    close = closest(prefix, files)
    return f" Did you mean {close[0]!r}?" if close else " Files are relative to the space's file."


def reach(folder: Path) -> None:
    """Add a user's folder to the import path: before libraries, or last if its modules would shadow those of the project."""
    if str(folder) in sys.path:
        return
    shadows = any((folder / name).is_dir() or (folder / f"{name}.py").is_file() for name in OURS)
    sys.path.insert(len(sys.path) if shadows else 0, str(folder))
    importlib.invalidate_caches()


def from_file(file: str, folder: Path | None) -> ModuleType:
    """The module of a file, under its import name. If another module has that name, the prefix APART is added."""
    name = Path(file).with_suffix("").as_posix().replace("/", ".")
    path = (folder / file).resolve() if folder else None
    found = sys.modules.get(name) or sys.modules.get(APART + name)
    if found is None and not is_taken(name, path):
        return importlib.import_module(name)
    if path is None or (found and found.__file__ and Path(found.__file__).resolve() == path):
        return found or importlib.import_module(name)
    return apart(APART + name, path)


def is_taken(name: str, path: Path | None) -> bool:
    """Whether `import name` would import another file than `path`."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return False
    return bool(path and path.is_file() and spec and spec.origin and Path(spec.origin).resolve() != path)


def apart(name: str, path: Path) -> ModuleType:
    """Import the file `path` as a module called `name`."""
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise SpaceError(f"{path.parent} has no {path.name}.{alike(path.name, path.parent)}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
