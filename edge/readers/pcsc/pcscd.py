"""Asks pcscd which readers it has, without touching any card."""

from dataclasses import dataclass

from smartcard import scard


@dataclass(frozen=True, slots=True)
class Pcscd:
    """What pcscd answered: its readers by name; or why it gave none, `forbidden` where it let us not in."""

    readers: tuple[str, ...] = ()
    why: str = ""
    forbidden: bool = False


def ask_pcscd() -> Pcscd:
    """The readers that it has now."""
    outcome, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
    if outcome != scard.SCARD_S_SUCCESS:
        forbidden = outcome == scard.SCARD_W_SECURITY_VIOLATION
        return Pcscd((), str(scard.SCardGetErrorMessage(outcome)), forbidden)
    try:
        outcome, names = scard.SCardListReaders(context, [])
    finally:
        scard.SCardReleaseContext(context)
    if outcome in {scard.SCARD_S_SUCCESS, scard.SCARD_E_NO_READERS_AVAILABLE}:
        return Pcscd(tuple(sorted(str(name) for name in names or ())))
    return Pcscd((), str(scard.SCardGetErrorMessage(outcome)))
