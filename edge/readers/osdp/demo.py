"""Simulated OSDP readers for somebody without hardware: a bus on a pty that obeys lines of standard input."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from edge.readers.osdp.simulator import OsdpSimulator, SimulatedOsdpReader

LINES: Final = "tap ADDRESS HEX, power|wire ADDRESS on|off, open|close|reset|show ADDRESS, unplug, plug"
_ON: Final[Mapping[str, bool]] = {"on": True, "off": False}


def obey(bus: OsdpSimulator, line: str, say: Callable[[str], None]) -> None:
    """Do what one line asks; what cannot be done is said, with what can."""
    try:
        match line.split():
            case ["tap", address, serial]:
                bus.tap(int(address), bytes.fromhex(serial))
            case ["power", address, way]:
                bus.power(int(address), _ON[way])
            case ["wire", address, way]:
                bus.wire(int(address), _ON[way])
            case ["open" | "close" as way, address]:
                bus.open_box(int(address), way == "open")
            case ["reset", address]:
                bus.reset(int(address))
            case ["show", address]:
                say(_shown(bus.readers[int(address)]))
            case ["unplug"]:
                bus.unplug()
            case ["plug"]:
                bus.plug()
            case []:
                pass
            case _:
                say(f"write {LINES}")
    except (ValueError, KeyError):
        say(f"{line.strip()}: there is no such reader, or that is no number; write {LINES}")


def _shown(box: SimulatedOsdpReader) -> str:
    shown = box.shows
    lit = [name for name in ("red", "green", "buzzer") if getattr(shown, name)]
    key = "in install mode" if box.key is None else "with a key of its own"
    return f"{', '.join(lit) or 'dark'}; {key}; {'in a Secure Channel' if box.is_secure else 'in none'}"


def main(arguments: list[str] | None = None) -> None:
    """Obey standard input until it ends; says `ready` when the link is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--link", type=Path, required=True, help="path under which the bus appears")
    parser.add_argument("addresses", type=int, nargs="+", metavar="ADDRESS", help="of each reader, from 0 to 126")
    asked = parser.parse_args(arguments)
    bus = OsdpSimulator(asked.link, [SimulatedOsdpReader(address) for address in asked.addresses])
    bus.start()
    print("ready", flush=True)  # noqa: T201  # whoever started this waits for it
    try:
        for line in sys.stdin:
            obey(bus, line, lambda words: print(words, flush=True))  # noqa: T201
    finally:
        bus.stop()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
