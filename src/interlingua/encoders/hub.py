"""From a model's name to a folder on this machine: a folder, the hub's cache, or the hub itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from interlingua.errors import ModelError

CONNECT_SECONDS = 5.0
CONFIG_FILES = ("*.json", "*/*.json", "*.txt", "*.model")


def model_folder(
    name_or_path: str | Path,
    *,
    revision: str | None = None,
    known_revision: str | None = None,
    files: Sequence[str] = (),
    complete: Callable[[Path], bool] = lambda folder: True,
) -> tuple[Path, str]:
    """The folder that holds a model, and its revision ("" for a folder of one's own).

    The hub's cache is looked at first. Without a network the error comes within seconds.

    Args:
        name_or_path: a folder, or a hub name such as "sentence-transformers/LaBSE".
        revision: a branch, tag or commit that must be had.
        known_revision: what is fetched where no revision is asked for; default: "main". Without it in
            the cache, "main" from the cache is taken before the network is.
        files: patterns of files to fetch beside the configuration.
        complete: whether a folder in the cache has all that is needed.

    Raises:
        ModelError: no such folder or name, no network and nothing in the cache, or no right to read it.
    """
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return path, ""
    name = str(name_or_path)
    if path.exists() or _looks_like_path(name):
        raise ModelError(f"{name!r} is no model folder; give a folder, or a hub name such as 'org/model'.")
    for wanted in [revision] if revision else [known_revision, None]:
        cached = _cached(name, wanted)
        if cached is not None and complete(cached):
            return cached, cached.name
    which = f"{name!r} at revision {revision!r}" if revision else repr(name)
    fetched = _fetch(name, revision or known_revision, which, [*CONFIG_FILES, *files])
    return fetched, fetched.name


def _looks_like_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") != 1 or "\\" in name or name.endswith("/")


def _cached(name: str, revision: str | None) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise ModelError(f"{name!r} is neither a folder nor a hub name such as 'org/model'.") from error


def _fetch(name: str, revision: str | None, which: str, files: list[str]) -> Path:
    from huggingface_hub import is_offline_mode, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if is_offline_mode():
        raise ModelError(
            f"{which} is not whole in the hub's cache, and HF_HUB_OFFLINE forbids the network; unset it, or "
            "copy the model to a folder and give that."
        )
    _check_network(which)
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=files))
    except GatedRepoError as error:
        raise ModelError(
            f"{which} is gated: accept its terms on its page, and set HF_TOKEN to a token of yours."
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(f"The hub has {name!r}, but no revision {revision!r} of it.") from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"The hub has no model {which}, or it is private; see `interlingua models` for known ones."
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"{which} could not be fetched from the hub: {reason}") from error


def _check_network(which: str) -> None:
    """The hub's client tries again for minutes where there is no network; ask once, and briefly."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=CONNECT_SECONDS)
    except Exception as error:  # each of the HTTP libraries that the hub's client has used has its own tree
        raise ModelError(
            f"{which} is not in the hub's cache ({cache_folder()}), and {constants.ENDPOINT} cannot be "
            "reached; connect, or copy the model to a folder and give that. "
            "The embedded model, 'interlingua-embedded', needs no download."
        ) from error


def cache_folder() -> str:
    """Where the hub's client keeps what it has fetched."""
    from huggingface_hub import constants

    return os.path.normpath(constants.HF_HUB_CACHE)
