"""What the tests of the house rules look at: the files of this repository and the parsed code."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PRODUCT: Final = ("protocol", "edge", "cloud")


def repository_files() -> list[Path]:
    """All files that are, or are about to be, under version control, relative to the root."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    names = (Path(name) for name in listing.split("\0") if name)
    return sorted(name for name in names if (ROOT / name).is_file())


def repository_texts() -> Iterator[tuple[Path, str]]:
    """Those of them that are text, with their text."""
    for name in repository_files():
        content = (ROOT / name).read_bytes()
        if b"\0" not in content:
            yield name, content.decode("utf-8", errors="replace")


def modules(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    """The Python modules below these folders, parsed, relative to the root."""
    for name in repository_files():
        if name.suffix == ".py" and name.parts[0] in folders:
            yield name, ast.parse((ROOT / name).read_text(encoding="utf-8"), filename=str(name))
