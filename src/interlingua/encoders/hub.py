"""From a model's name to a folder on this machine: a folder, the hub's cache, or the hub itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from interlingua.errors import InputError, ModelError, first_line

CONNECT_SECONDS = 5.0
CODE_FILES = ("*.py", "*/*.py")
CONFIG_FILES = ("*.json", "*/*.json", "*.txt", "*.model")


def model_folder(
    name_or_path: str | Path,
    *,
    revision: str | None = None,
    known_revision: str | None = None,
    files: Sequence[Sequence[tuple[str, ...]]] = (),
    complete: Callable[[Path], bool] = lambda folder: True,
) -> tuple[Path, str]:
    """The folder that holds a model, and its revision ("" for a folder of one's own).

    The hub's cache is looked at first. Without a network the error comes within seconds.

    Args:
        name_or_path: a folder, or a hub name such as "sentence-transformers/LaBSE".
        revision: a branch, tag or commit that must be had.
        known_revision: what is fetched where no revision is asked for; default: "main". Without it in
            the cache, "main" from the cache is taken before the network is.
        files: what to fetch beside the configuration: of each item the first alternative that the hub has,
            a tuple of patterns.
        complete: whether a folder in the cache has all that is needed.

    Raises:
        InputError: a revision of a folder.
        ModelError: no such folder or name, no network and nothing in the cache, or no right to read it.
    """
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        if revision is not None:
            raise InputError(f"{path} is a folder and has no revisions; leave {revision!r} out.")
        return path, ""
    name = str(name_or_path)
    if path.exists() or _looks_like_path(name):
        raise ModelError(f"{name!r} is no model folder; give a folder, or a hub name such as 'org/model'.")
    for wanted in [revision] if revision else [known_revision, None]:
        cached = _cached(name, wanted)
        if cached is not None and complete(cached) and not (files and _interrupted(cached)):
            return cached, cached.name
    which = f"{name!r} at revision {revision!r}" if revision else repr(name)
    try:
        fetched = _fetch(name, revision or known_revision, which, files)
    except ModelError:
        cached = _cached(name, revision or known_revision)
        if cached is None or not complete(cached):
            raise
        fetched = cached  # what was interrupted may have been another file than those needed here
    return fetched, fetched.name


def _interrupted(snapshot: Path) -> bool:
    """Whether a download into the hub's cache was stopped half-way, and not done since."""
    blobs = snapshot.parent.parent / "blobs"
    return any(not (blobs / left.name.partition(".")[0]).exists() for left in blobs.glob("*.incomplete"))


def _looks_like_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") != 1 or "\\" in name or name.endswith("/")


def _cached(name: str, revision: str | None) -> Path | None:
    """The snapshot in the hub's cache, whatever part of the model it has; None where there is none."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        for file in ("modules.json", "config.json"):
            found = try_to_load_from_cache(name, file, revision=revision)
            if isinstance(found, str):
                return Path(found).parent
    except HFValidationError as error:
        raise ModelError(f"{name!r} is neither a folder nor a hub name such as 'org/model'.") from error
    return None


def _fetch(name: str, revision: str | None, which: str, files: Sequence[Sequence[tuple[str, ...]]]) -> Path:
    from huggingface_hub import constants, list_repo_files, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    if constants.HF_HUB_OFFLINE:
        raise ModelError(
            f"{which} is not whole in the hub's cache, and HF_HUB_OFFLINE forbids the network; unset it, or "
            "copy the model to a folder and give that."
        )
    _check_network(which)
    try:
        listed = list_repo_files(name, revision=revision)
        patterns = [*CONFIG_FILES, *(pattern for item in files for pattern in _best(item, listed))]
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
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
    except Exception as error:  # the HTTP libraries and transfer backends that the client uses share no root
        reason = first_line(error)
        raise ModelError(f"{which} could not be fetched from the hub: {reason}") from error


def _best(alternatives: Sequence[tuple[str, ...]], listed: Sequence[str]) -> tuple[str, ...]:
    """The first alternative of which the hub has a file."""
    return next((a for a in alternatives if any(fnmatch(file, a[0]) for file in listed)), ())


def _check_network(which: str) -> None:
    """The hub's client tries again for minutes where there is no network; ask once, and briefly."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

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
