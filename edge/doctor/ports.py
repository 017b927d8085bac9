"""Looks at a serial port from outside: whether it is there, who may open it, and who has it open."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.doctor import Verdict
from edge.doctor.accounts import Account, mode_of, name_of, name_of_group
from edge.words import _

BY_ID: Final = Path("/dev/serial/by-id")
ON_BOARD: Final = ("ttyAMA", "ttyS", "serial")
"""The Pi's own UARTs: their names last, since nothing is plugged in."""

KERNEL_ARGUMENTS: Final = Path("/proc/cmdline")


@dataclass(frozen=True, slots=True)
class Port:
    """A port as it was found; `lasting` is a name of it that stays after the next plugging in, where there is one.

    `holders`: (process, its command) of each that has it open, as far as we may see. `may_open`: whether the daemon's
    account may; None where that account is not known.
    """

    path: Path
    is_there: bool = False
    is_port: bool = False
    owner: str = ""
    may_open: bool | None = None
    account: str = ""
    holders: tuple[tuple[int, str], ...] = ()
    is_console: bool = False
    lasting: Path | None = None
    others: tuple[Path, ...] = ()


Trouble = tuple[Verdict, str, str]
"""A verdict, what was found and what to do."""


def look_at_port(path: Path, account: Account | None) -> Port:
    """Look, and open nothing: opening a port can reset the reader behind it."""
    try:
        kept = path.stat()
    except OSError:
        return Port(path, others=tuple(plugged_in()))
    target = path.resolve()
    return Port(
        path=path,
        is_there=True,
        is_port=stat.S_ISCHR(kept.st_mode),
        owner=f"{mode_of(kept)} {name_of(kept.st_uid)} {name_of_group(kept.st_gid)}",
        may_open=None if account is None else account.may(kept, os.R_OK | os.W_OK),
        account="" if account is None else account.name,
        holders=tuple(_holders(target)),
        is_console=target.name in consoles(_text(KERNEL_ARGUMENTS)),
        lasting=lasting_name(path),
    )


def judge_port(port: Port, daemon: int | None) -> Trouble | None:
    """What keeps the daemon (its process, where it runs) from using a port; None where nothing does."""
    if not port.is_there:
        found = _("{path} is not there").format(path=port.path)
        if not port.others:
            return Verdict.BAD, found, _("look at plug and cable; `dmesg -w` tells what happens when you plug it in")
        names = ", ".join(map(str, port.others))
        return (
            Verdict.BAD,
            found,
            _("look at plug and cable, or give its right name; now there: {names}").format(names=names),
        )
    if not port.is_port:
        found = _("{path} is no serial port").format(path=port.path)
        return Verdict.BAD, found, _("give the device a name of /dev/serial/by-id, or /dev/serial0")
    if port.may_open is False:
        found = _("{account} may not open {path} ({owner})")
        found = found.format(account=port.account, path=port.path, owner=port.owner)
        return (
            Verdict.BAD,
            found,
            _("`usermod -aG dialout {account}`, then restart the daemon").format(account=port.account),
        )
    holders = dict(port.holders)
    if holders and daemon not in holders:
        names = ", ".join(f"{name} ({pid})" for pid, name in holders.items())
        found = _("{path} is in use by {names}").format(path=port.path, names=names)
        return Verdict.BAD, found, _("stop that program; ModemManager and a login console take ports unasked")
    if port.is_console:
        found = _("{path} is the kernel's console").format(path=port.path)
        advice = _("`raspi-config`, Interface Options, Serial Port: no login shell, but keep the hardware; then reboot")
        return Verdict.BAD, found, advice
    if port.lasting is not None:
        found = _("{path} can have another name after the next plugging in").format(path=port.path)
        return Verdict.DOUBTFUL, found, _('write device = "{lasting}"').format(lasting=port.lasting)
    return None


def consoles(arguments: str) -> set[str]:
    """The ports that the kernel's arguments (`console=ttyAMA0,115200`) make a console."""
    named = re.findall(r"(?:^|\s)console=(\w+)", arguments, re.ASCII)
    return {(Path("/dev") / name).resolve().name for name in named}  # serial0 of Raspberry Pi OS is a link


def plugged_in() -> Iterator[Path]:
    """Every USB serial port by its lasting name."""
    with suppress(OSError):
        yield from sorted(BY_ID.iterdir())


def lasting_name(path: Path) -> Path | None:
    """A better name for a port that is named by the order of its plugging in; None where it has a lasting one."""
    if path.parent == BY_ID or path.name.startswith(ON_BOARD):
        return None
    return next((each for each in plugged_in() if each.resolve() == path.resolve()), None)


def _holders(target: Path) -> Iterator[tuple[int, str]]:
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and _has_open(process, target):
            yield int(process.name), _text(process / "comm").strip() or "?"


def _has_open(process: Path, target: Path) -> bool:
    with suppress(OSError):  # it ended meanwhile, or is somebody else's
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                if descriptor.readlink() == target:
                    return True
    return False


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
