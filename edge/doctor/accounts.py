"""Who the daemon runs as, and what that account may read and write."""

import grp
import os
import pwd
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GIVEN_BY_THE_UNIT: Final = ("dialout", "gpio")
"""Groups beside the account's own: SupplementaryGroups= in systemd/grindvakt.service."""

USUAL: Final = "grindvakt"


@dataclass(frozen=True, slots=True)
class Account:
    """A user with all its groups, by number."""

    name: str
    uid: int
    groups: frozenset[int]

    def may(self, kept: os.stat_result, wanted: int) -> bool:
        """Whether it may do this (os.R_OK, os.W_OK or both) by owner, group and mode, access lists aside."""
        if self.uid == 0:
            return True
        if kept.st_uid == self.uid:
            granted = kept.st_mode >> 6
        elif kept.st_gid in self.groups:
            granted = kept.st_mode >> 3
        else:
            granted = kept.st_mode
        return granted & wanted == wanted


def account_of_process(pid: int) -> Account | None:
    """The effective user of a process, as the kernel has it (proc(5)); None where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    told = dict(line.split(":", 1) for line in lines if ":" in line)
    uid = int(told["Uid"].split()[1])
    groups = {int(told["Gid"].split()[1]), *map(int, told["Groups"].split())}
    return Account(name_of(uid), uid, frozenset(groups))


def account_of_daemon(state: Path, pid: int | None) -> Account | None:
    """The account of the running daemon; else of whom it will be: the state's owner, or the usual name."""
    if pid is not None and (running := account_of_process(pid)) is not None:
        return running
    with suppress(OSError, KeyError):
        return _account(pwd.getpwuid(state.stat().st_uid))
    with suppress(KeyError):
        return _account(pwd.getpwnam(USUAL))
    return None


def _account(entry: pwd.struct_passwd) -> Account:
    groups = set(os.getgrouplist(entry.pw_name, entry.pw_gid))
    for name in GIVEN_BY_THE_UNIT:
        with suppress(KeyError):
            groups.add(grp.getgrnam(name).gr_gid)
    return Account(entry.pw_name, entry.pw_uid, frozenset(groups))


def name_of(uid: int) -> str:
    """A user's name, or the number where there is none."""
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def name_of_group(gid: int) -> str:
    """A group's name, or the number where there is none."""
    with suppress(KeyError):
        return grp.getgrgid(gid).gr_name
    return str(gid)


def mode_of(kept: os.stat_result) -> str:
    """As `ls -l` writes it."""
    return stat.filemode(kept.st_mode)
