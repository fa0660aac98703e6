"""What every benchmark prints first: machine, versions, date."""

from __future__ import annotations

import platform
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def conditions(*packages: str) -> str:
    found = [f"{name} {_version(name)}" for name in ("interlingua", "numpy", "tokenizers", *packages)]
    today = datetime.now(timezone.utc).date()
    return f"{today}, {_processor()}, Python {platform.python_version()}, {', '.join(found)}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} cores of {names[0]}" if names else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
