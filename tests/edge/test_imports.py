"""The daemon loads what it runs on and nothing else: each module is memory and start time of a small computer."""

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.gate import ANNA
from tests.support.terminal_process import SETTINGS, TerminalProcess

# what Python imports by itself at every start; it tells at the end what was loaded in the process's whole life
SITE: Final = """
import atexit, os, sys

def tell():
    with open(os.environ["LOADED"], "w", encoding="utf-8") as file:
        file.writelines(f"{name}\\n" for name, module in list(sys.modules.items()) if module is not None)

atexit.register(tell)
"""
REAL_READERS: Final = SETTINGS.replace('kind = "gpio"', 'kind = "simulated"').replace(
    'name = "both"\nkind = "simulated"',
    'name = "both"\nkind = "pcsc"\n\n[[reader]]\nname = "bar"\nkind = "serial"\ndevice = "/dev/null"',
)

OURS: Final = {"edge", "protocol"}
LIBRARIES: Final = {"cryptography", "gpiozero", "colorzero", "msgspec", "paho", "structlog", "tenacity"}
OF_THE_READERS: Final = {"serial", "smartcard"}
AROUND_A_TEST: Final = {"sitecustomize", "usercustomize"}
TAKEN_WHERE_THERE: Final = {"greenlet", "typing_extensions"}
"""What structlog and msgspec load where others brought it; a terminal has neither."""

NEVER: Final = {
    "alembic",
    "argon2",
    "asyncio.__main__",
    "click",
    "cloud",
    "doctest",
    "fastapi",
    "http.server",
    "hypothesis",
    "multiprocessing.pool",
    "pdb",
    "psutil",
    "psycopg",
    "pydantic",
    "pytest",
    "rich",
    "sqlalchemy",
    "sqlite_utils",
    "starlette",
    "tests",
    "tkinter",
    "unittest",
    "uvicorn",
}
SIMULATED_CARDS: Final = {"edge.piv.applet", "edge.piv.issuer", "edge.piv.kept", "edge.readers.pcsc.virtual_card"}
"""Run beside a terminal, never in it: a daemon cannot make a card, not even one that only it would believe."""

MOST_MODULES: Final = 550
"""Far below what one large library brings; a daemon had 466, and 494 with both readers, when this was written."""


def loaded(folder: Path, settings: str, *options: str) -> set[str]:
    """Every module in a real daemon that was not the first on its files, answered what it is asked, and was stopped."""
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SITE, encoding="utf-8")
    environment = {"PYTHONPATH": str(site), "LOADED": str(folder / "loaded")}
    with TerminalProcess(folder, settings) as terminal:
        terminal.bind({ANNA: "anna"})
        for _ in range(2):  # the first start makes the files, with what only that needs
            terminal.start(*options or ("--config", str(terminal.config)), environment=environment)
            if options:
                assert terminal.tap(ANNA)["seq"] is not None
            assert terminal.stop() == 0
    return set((folder / "loaded").read_text(encoding="utf-8").splitlines())


def packages(modules: set[str]) -> set[str]:
    """The top levels of what is neither Python's own nor inner parts of a compiled library."""
    tops = {name.partition(".")[0] for name in modules}
    outside = tops - sys.stdlib_module_names - AROUND_A_TEST - TAKEN_WHERE_THERE
    return {top for top in outside if not top.startswith(("_", "swig_runtime_data"))}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    return loaded(tmp_path_factory.mktemp("simulated"), SETTINGS, "--simulate")


@pytest.fixture(scope="module")
def with_readers(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    return loaded(tmp_path_factory.mktemp("readers"), REAL_READERS)


def test_a_daemon_loads_the_libraries_it_runs_on_and_no_other(simulated: set[str], with_readers: set[str]) -> None:
    assert packages(simulated) == OURS | LIBRARIES
    assert packages(with_readers) == OURS | LIBRARIES | OF_THE_READERS


def test_a_terminal_is_installed_without_what_is_only_taken_where_it_is_there() -> None:
    pinned = (Path(__file__).parents[2] / "requirements" / "edge.txt").read_text(encoding="utf-8")
    assert not [name for name in TAKEN_WHERE_THERE if f"\n{name.replace('_', '-')}==" in pinned]


def test_nothing_heavy_is_loaded(simulated: set[str], with_readers: set[str]) -> None:
    assert {"edge.daemon", "edge.terminal", "edge.ledger.ledger", "sqlite3"} <= simulated & with_readers
    assert not NEVER & (simulated | with_readers)
    assert max(len(simulated), len(with_readers)) <= MOST_MODULES


def test_what_only_a_simulation_needs_is_loaded_by_nothing_else(simulated: set[str], with_readers: set[str]) -> None:
    assert "edge.panel.server" in simulated
    assert not {name for name in with_readers if name.startswith("edge.panel")}
    assert not SIMULATED_CARDS & (simulated | with_readers)
