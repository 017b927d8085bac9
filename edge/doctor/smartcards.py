"""Looks whether PC/SC readers can be reached: pcscd, its permission, drivers, and what stands in their way."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge.doctor import Verdict
from edge.doctor.ports import Trouble
from edge.words import _

if TYPE_CHECKING:
    from edge.readers.pcsc.pcscd import Pcscd

PROGRAM: Final = Path("/usr/sbin/pcscd")
INTERFACES: Final = Path("/sys/bus/usb/devices")
SMART_CARD_CLASS: Final = "0b"
"""bInterfaceClass of a chip card reader (USB Device Class: Smart Card CCID, section 4.3)."""

RIVALS: Final = ("pn533_usb", "pn533")
"""Kernel modules that take NFC readers as the ACR122U before pcscd can."""


@dataclass(frozen=True, slots=True)
class Smartcards:
    """pcscd's answer, and what lies around it. `pcscd` is None where our part for PC/SC is not installed."""

    pcscd: "Pcscd | None" = None
    is_installed: bool = False
    plugged_in: int = 0
    rival: str = ""


def look_at_smartcards() -> Smartcards:
    """Ask pcscd and the kernel."""
    pcscd = None
    if find_spec("smartcard") is not None:
        from edge.readers.pcsc.pcscd import ask_pcscd

        pcscd = ask_pcscd()
    return Smartcards(pcscd, PROGRAM.exists(), _plugged_in(), _rival())


def judge_smartcards(seen: Smartcards) -> Trouble | None:
    """What keeps any PC/SC reader from being reached; None where nothing does."""
    if seen.pcscd is None:
        found = _("the part for PC/SC readers is not installed")
        return Verdict.BAD, found, _("install it: `pip install 'grindvakt[pcsc]'` in its environment")
    if seen.pcscd.forbidden:
        found = _("pcscd lets this account not in")
        return (
            Verdict.BAD,
            found,
            _("put systemd/50-grindvakt.rules into /etc/polkit-1/rules.d; it lets in the group grindvakt"),
        )
    if seen.pcscd.why:
        found = _("pcscd does not answer: {why}").format(why=seen.pcscd.why)
        if not seen.is_installed:
            return Verdict.BAD, found, _("`apt install pcscd libccid`")
        return Verdict.BAD, found, _("`systemctl enable --now pcscd.socket`; why it ends: `journalctl -u pcscd -n 30`")
    return None


def judge_wanted(seen: Smartcards, wanted: str) -> Trouble | None:
    """What keeps the reader with this in its name from being reached; None where nothing does."""
    if (trouble := judge_smartcards(seen)) is not None or seen.pcscd is None:
        return trouble
    known = seen.pcscd.readers
    if any(wanted in name for name in known):
        return None
    if known:
        found = _("pcscd has no reader called {wanted!r}").format(wanted=wanted)
        names = ", ".join(map(repr, known))
        return Verdict.BAD, found, _("write a part of its name after `pcsc =`; now there: {names}").format(names=names)
    found = _("pcscd sees no reader")
    if seen.rival:
        advice = _(
            "the kernel's module {module} takes it: write `blacklist {module}` into /etc/modprobe.d/nfc.conf, reboot"
        )
        return Verdict.BAD, found, advice.format(module=seen.rival)
    if seen.plugged_in:
        return (
            Verdict.BAD,
            found,
            _("one is plugged in and has no driver: `apt install libccid`, or the maker's driver"),
        )
    return Verdict.BAD, found, _("look at plug and cable; `lsusb` lists what the computer sees")


def _plugged_in() -> int:
    return sum(1 for each in INTERFACES.glob("*/bInterfaceClass") if _text(each) == SMART_CARD_CLASS)


def _rival() -> str:
    loaded = {line.split()[0] for line in _text(Path("/proc/modules")).splitlines() if line}
    return next((module for module in RIVALS if module in loaded), "")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
