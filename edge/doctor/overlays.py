"""Reads from the Pi's config.txt which header pins its overlays take for themselves."""

import re
from collections.abc import Iterator
from typing import Final

TAKEN: Final = {
    "spi": (7, 8, 9, 10, 11),
    "i2c_arm": (2, 3),
    "i2c1": (2, 3),
    "i2s": (18, 19, 20, 21),
    "uart": (14, 15),
}
"""Pins of the header by what takes them (Raspberry Pi documentation, config.txt; overlays/README of the firmware)."""

PARAMETERS: Final = {
    "spi": "spi",
    "i2c_arm": "i2c_arm",
    "i2c": "i2c_arm",
    "i2c1": "i2c1",
    "i2s": "i2s",
    "uart0": "uart",
}
OVERLAYS: Final[dict[str, tuple[int, ...]]] = {
    "uart0": (14, 15),
    "uart2": (0, 1),
    "uart3": (4, 5),
    "uart4": (8, 9),
    "uart5": (12, 13),
    "spi0-1cs": (8, 9, 10, 11),
    "spi0-2cs": (7, 8, 9, 10, 11),
    "spi1-1cs": (18, 19, 20, 21),
    "i2c-rtc": (2, 3),
    "hifiberry-dac": (18, 19, 20, 21),
    "pwm-2chan": (18, 19),
}
"""Overlays without a choice of pins, as they are by default on a Pi 4; on a Pi 5 the further UARTs lie elsewhere."""

WITH_PIN: Final = {
    "w1-gpio": ("gpiopin", 4),
    "gpio-shutdown": ("gpio_pin", 3),
    "gpio-poweroff": ("gpiopin", 26),
    "gpio-fan": ("gpiopin", 12),
    "gpio-ir": ("gpio_pin", 18),
    "pwm": ("pin", 18),
    "dht11": ("gpiopin", 4),
    "pps-gpio": ("gpiopin", 18),
}
"""Overlays with one pin to choose: its parameter and its default."""

OFF: Final = ("off", "0", "no", "false")
LARGEST_PIN: Final = 27


def taken_pins(config: str) -> dict[int, str]:
    """Each pin that a line of config.txt takes, with that line; sections for other models are taken for ours."""
    found: dict[int, str] = {}
    for line in (each.partition("#")[0].strip() for each in config.splitlines()):
        for pin in _pins(line):
            found.setdefault(pin, line)
    return found


def _pins(line: str) -> Iterator[int]:
    key, _, value = line.partition("=")
    match key.strip():
        case "enable_uart":
            yield from TAKEN["uart"] if value.strip() == "1" else ()
        case "dtparam":
            for each in value.split(","):
                name, _, set_to = each.strip().partition("=")
                if name in PARAMETERS and set_to.strip().lower() not in OFF:
                    yield from TAKEN[PARAMETERS[name]]
        case "dtoverlay":
            yield from _of_overlay(value.strip())


def _of_overlay(value: str) -> Iterator[int]:
    name, *parameters = (each.strip() for each in re.split("[,:]", value))
    yield from OVERLAYS.get(name, ())
    if name in WITH_PIN:
        parameter, usual = WITH_PIN[name]
        given = (each.partition("=") for each in parameters)
        chosen = [number for key, _, number in given if key == parameter]
        pin = int(chosen[0]) if chosen and re.fullmatch("[0-9]{1,3}", chosen[0]) else usual
        if pin <= LARGEST_PIN:
            yield pin
