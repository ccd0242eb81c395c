"""Makes Ray ask for a token: without one, anybody who reaches a Ray port can run code as this user.

Ray reads these settings from the environment when it is first imported, so call `protect` before that import:

    a Ray for one search alone    protect(None, scratch)       only on loopback; a new token, removed with the scratch
    the Ray cluster at address    protect(address, scratch)    the cluster's token, which must be on this machine

If the user has set RAY_AUTH_MODE, that setting holds and no token is prepared.
"""

import os
import secrets
from collections.abc import MutableMapping
from pathlib import Path

from trainables.cli.paths import expanded
from trainables.errors import RayError

MODE, TOKEN, TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"  # Ray's own names
# Despite its name it is read on every system: with "0" a node's address is 127.0.0.1, and Ray listens there alone.
CLUSTERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


def protect(address: str | None, scratch: Path, environment: MutableMapping[str, str] = os.environ) -> None:
    """Prepare the environment of Ray and of its workers.

    Args:
        address: the address of a cluster; None for a Ray that is started for this search alone.
        scratch: a private folder that is removed when the search ends.

    Raises:
        RayError: the cluster's token is missing on this machine, or other users can read it and that cannot be changed.
    """
    if address is None:
        environment.setdefault(CLUSTERS, "0")
    if MODE in environment:
        return
    environment[MODE] = "token"
    if address is None:
        environment.pop(TOKEN, None)  # it is of some cluster, and would come before the path
        environment[TOKEN_PATH] = str(write_token(scratch / "token"))
    elif TOKEN not in environment:
        make_private(token_file(environment), address)


def write_token(path: Path) -> Path:
    """Write a new token into a file that only its owner can read; return the file's path."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    return path


def token_file(environment: MutableMapping[str, str]) -> Path:
    """Where Ray looks for the token of a cluster."""
    named = environment.get(TOKEN_PATH)
    return Path(named or expanded("~/.ray/auth_token"))


def make_private(path: Path, address: str) -> None:
    """Make a token file readable for its owner only: `ray get-auth-token --generate` leaves it readable for all."""
    try:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except FileNotFoundError as error:
        raise RayError(
            f"no token: {path}: the Ray cluster at {address} must ask for one, or anybody who reaches it can run code there. "
            f"Run `ray get-auth-token --generate` on its head node before `ray start` and copy the file to every node; "
            f"{MODE}=disabled does without."
        ) from error
    except OSError as error:
        raise RayError(
            f"no token: {path}: {error.strerror}. It must be a file that you own and that only you can read."
        ) from error
