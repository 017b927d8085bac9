"""What the doctor says of what was found, by tables: a verdict, and advice wherever something is wrong (F20)."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from edge.doctor import Finding, Verdict, bad, doubtful, good, unknown, worst
from edge.doctor.board import Supply, flags_in, judge_supply
from edge.doctor.certificate import Papers, judge_papers
from edge.doctor.chips import CHIP, LINE, Chip, label_in, user_in
from edge.doctor.clock import Time, judge_clock
from edge.doctor.cloud import judge_binding, judge_cloud, judge_proof, judge_tables
from edge.doctor.daemon import Daemon, judge_daemon
from edge.doctor.disk import MEBIBYTE, Disk, judge_disk
from edge.doctor.doors import judge_doors, judge_signals
from edge.doctor.ledger import Book, judge_ledger
from edge.doctor.overlays import taken_pins
from edge.doctor.pins import Board, judge_board
from edge.doctor.ports import Port, consoles, judge_port
from edge.doctor.readers import Readers, judge_readers
from edge.doctor.smartcards import Smartcards, judge_smartcards, judge_wanted
from edge.doctor.unit import Unit, unit_in
from edge.doors.door import DoorState
from edge.readers.pcsc.pcscd import Pcscd
from edge.settings import CardSettings, DoorSettings, ReaderSettings, SignalSettings, TerminalSettings
from protocol.clock import MICROSECONDS, ClockQuality, ClockReading
from protocol.errors import TerminalId

GOOD, UNKNOWN, DOUBTFUL, BAD = Verdict.GOOD, Verdict.UNKNOWN, Verdict.DOUBTFUL, Verdict.BAD
SINCE: Final = datetime(2026, 6, 10, 12, tzinfo=UTC)
STATUS: Final = {"software": "1.0"}
RUNS: Final = Unit("loaded", "active", "running", "enabled")
DEVICE: Final = Path("/dev/serial/by-id/usb-reader")
KEY: Final = Path("/etc/grindvakt/terminal.key")


def says(finding: Finding, verdict: Verdict, *words: str) -> None:
    """The verdict is this, each of these words is said, and what is wrong comes with advice."""
    said = f"{finding.found} → {finding.advice}"
    assert finding.verdict is verdict, said
    assert all(word in said for word in words), said
    assert finding.advice or verdict in {GOOD, UNKNOWN}, said


def test_the_worst_counts() -> None:
    findings = [good("a", "fine"), doubtful("b", "so", "do"), unknown("c", "dark"), bad("d", "broken", "mend")]
    assert [worst(findings[:number]) for number in range(5)] == [GOOD, GOOD, DOUBTFUL, DOUBTFUL, BAD]


@pytest.mark.parametrize(
    ("seen", "verdict", "words"),
    [
        (Daemon(STATUS, pid=7, since=SINCE, unit=RUNS, installed="1.0"), GOOD, "version 1.0, process 7"),
        (Daemon(STATUS, unit=RUNS, installed="1.0"), GOOD, "runs, version 1.0"),
        (Daemon(STATUS, unit=RUNS, installed="1.1"), DOUBTFUL, "installed is 1.1 → restart it"),
        (Daemon(STATUS, unit=None, installed="1.0"), GOOD, "nobody starts it again"),
        (Daemon(STATUS, unit=Unit("not-found"), installed="1.0"), DOUBTFUL, "will not start after a power cut"),
        (Daemon(STATUS, unit=Unit("loaded", "active", "", "disabled"), installed="1.0"), DOUBTFUL, "systemctl enable"),
        (
            Daemon(STATUS, unit=Unit("loaded", "active", "", "enabled", 0, 9), installed="1.0"),
            DOUBTFUL,
            "restarted it 9 times",
        ),
        (Daemon(forbidden=True), UNKNOWN, "as a member of the group"),
        (Daemon(pid=7, silence="timed out"), BAD, "runs as process 7 and does not answer: timed out"),
        (Daemon(), BAD, "does not run → start it"),
        (Daemon(unit=Unit("loaded", "failed", "failed", "enabled", 78)), BAD, "grindvakt check-config"),
        (Daemon(unit=Unit("loaded", "activating", "auto-restart", "enabled", 1, 12)), BAD, "over and over: 12 times"),
        (Daemon(unit=Unit("loaded", "inactive", "dead", "enabled")), BAD, "`systemctl start grindvakt`"),
        (
            Daemon(unit=Unit("loaded", "active", "running", "enabled", 0, 0, "the ledger cannot be used")),
            BAD,
            "it does not answer: the ledger cannot be used → nothing is recorded meanwhile",
        ),
    ],
)
def test_daemon(seen: Daemon, verdict: Verdict, words: str) -> None:
    says(judge_daemon(seen), verdict, words)


def test_an_answer_of_systemd_is_read_and_nonsense_is_nothing() -> None:
    text = (
        "LoadState=loaded\nActiveState=failed\nSubState=failed\nUnitFileState=enabled\nExecMainStatus=78\n"
        "NRestarts=3\nStatusText=at Kvarnen; a=b\n"
    )
    assert unit_in(text) == Unit("loaded", "failed", "failed", "enabled", 78, 3, "at Kvarnen; a=b")
    assert unit_in("\nwhat?\nNRestarts=many\nExecMainStatus=²\n") == Unit()


@pytest.mark.parametrize(
    ("port", "verdict", "words"),
    [
        (Port(DEVICE), BAD, "is not there → look at plug and cable; `dmesg -w`"),
        (Port(DEVICE, others=(Path("/dev/serial/by-id/other"),)), BAD, "now there: /dev/serial/by-id/other"),
        (Port(DEVICE, is_there=True), BAD, "is no serial port"),
        (
            Port(DEVICE, True, True, "crw-rw---- root dialout", False, "grindvakt"),
            BAD,
            "grindvakt may not open /dev/serial/by-id/usb-reader (crw-rw---- root dialout) → `usermod -aG dialout",
        ),
        (Port(DEVICE, True, True, holders=((7, "ModemManager"),)), BAD, "in use by ModemManager (7) → stop that"),
        (Port(DEVICE, True, True, is_console=True), BAD, "is the kernel's console → `raspi-config`"),
        (Port(Path("/dev/ttyUSB0"), True, True, lasting=DEVICE), DOUBTFUL, f'write device = "{DEVICE}"'),
    ],
)
def test_serial_port(port: Port, verdict: Verdict, words: str) -> None:
    trouble = judge_port(port, None)
    assert trouble is not None
    says(Finding("reader in", *trouble), verdict, words)


def test_a_port_that_only_the_daemon_holds_is_free_for_it() -> None:
    assert judge_port(Port(DEVICE, True, True, may_open=True, holders=((7, "grindvakt"),)), daemon=7) is None


def test_consoles_are_those_that_the_kernel_was_told() -> None:
    assert consoles("console=nowhere0,115200 root=/dev/x console=tty1 quiet") == {"nowhere0", "tty1"}


@pytest.mark.parametrize(
    ("seen", "verdict", "words"),
    [
        (Smartcards(None), BAD, "is not installed → install it"),
        (Smartcards(Pcscd(why="Access denied.", forbidden=True)), BAD, "lets this account not in"),
        (Smartcards(Pcscd(why="Service not available.")), BAD, "`apt install pcscd libccid`"),
        (Smartcards(Pcscd(why="Service not available."), is_installed=True), BAD, "enable --now pcscd.socket"),
        (Smartcards(Pcscd(), True), BAD, "sees no reader → look at plug and cable; `lsusb`"),
        (Smartcards(Pcscd(), True, plugged_in=1), BAD, "one is plugged in and has no driver"),
        (Smartcards(Pcscd(), True, rival="pn533_usb"), BAD, "blacklist pn533_usb"),
        (Smartcards(Pcscd(("HID Omnikey 00 00",)), True), BAD, "now there: 'HID Omnikey 00 00'"),
    ],
)
def test_smart_card_reader(seen: Smartcards, verdict: Verdict, words: str) -> None:
    trouble = judge_wanted(seen, "ACS")
    assert trouble is not None
    says(Finding("reader in", *trouble), verdict, words)


def test_a_smart_card_reader_that_is_there_is_no_trouble() -> None:
    seen = Smartcards(Pcscd(("ACS ACR122U 00 00",)), True)
    assert judge_smartcards(seen) is None
    assert judge_wanted(seen, "ACS") is None
    assert judge_wanted(seen, "") is None


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("Access denied.", "lost: Access denied. → pcscd lets the daemon not in: put systemd/50-grindvakt.rules"),
        ("it was unplugged", "lost: it was unplugged → look at plug, cable and supply"),
        (None, "lost: it does not answer"),
    ],
)
def test_a_reader_that_we_reach_and_the_daemon_does_not_is_judged_by_what_the_daemon_says(
    why: str | None, words: str
) -> None:
    settings = ReaderSettings(name="in", kind="pcsc")
    state = {"there": False, "kind": "pcsc", "why": why, "lost_at": None, "tampered": False}
    seen = Readers((settings,), {"in": state}, smartcards=Smartcards(Pcscd(("ACS ACR1252 00 00",)), True))
    (finding,) = judge_readers(seen)
    says(finding, BAD, words)


USED: Final = {17: "signals.red", 23: "door gate pin"}
HEADER: Final = Chip(Path("/dev/gpiochip0"), "pinctrl-bcm2711", ((17, "lg"), (23, "lg")))


@pytest.mark.parametrize(
    ("board", "verdict", "words"),
    [
        (Board(USED, [HEADER], held=True), GOOD, "/dev/gpiochip0 (pinctrl-bcm2711) has the 2 pins"),
        (Board(USED, held=True), GOOD, "the daemon holds the 2 pins"),
        (Board(USED, simulated="simulated, by --simulate"), GOOD, "no light and no lock is moved"),
        (Board(USED), BAD, "has no GPIO pins → lights and locks need a Raspberry Pi"),
        (Board(USED, [Chip(Path("/dev/gpiochip0"), "raspberrypi-exp-gpio")]), BAD, "there are raspberrypi-exp-gpio"),
        (Board(USED, [Chip(Path("/dev/gpiochip0"), why="Permission denied")]), UNKNOWN, "a member of the group gpio"),
    ],
)
def test_pins(board: Board, verdict: Verdict, words: str) -> None:
    (finding,) = judge_board(board)
    says(finding, verdict, words)


def test_pins_that_others_hold_are_bad_and_those_given_away_doubtful() -> None:
    chip = Chip(Path("/dev/gpiochip0"), "pinctrl-rp1", ((17, "spi0 CS1"), (23, "lg")))
    board = Board(USED | {2: "signals.green"}, [chip], {2: "dtparam=i2c_arm=on"}, ["GPIO 5 is up: use 9"])
    _, given, red, lock, boot = judge_board(board)
    says(given, DOUBTFUL, "GPIO 2 (signals.green) is given away by `dtparam=i2c_arm=on`", "take that line out")
    says(red, BAD, "GPIO 17 (signals.red) is held by 'spi0 CS1'")
    says(lock, BAD, "held by 'lg'")
    says(boot, DOUBTFUL, "GPIO 5 is up → use 9")


@pytest.mark.parametrize(
    ("config", "pins"),
    [
        ("", []),
        ("# dtparam=spi=on\ndtparam=audio=on", []),
        ("dtparam=spi=on", [7, 8, 9, 10, 11]),
        ("dtparam=spi=off,i2c_arm=on", [2, 3]),
        ("dtparam=i2c_arm", [2, 3]),
        ("enable_uart=1 # for the reader", [14, 15]),
        ("enable_uart=0", []),
        ("dtoverlay=w1-gpio", [4]),
        ("dtoverlay=w1-gpio,gpiopin=17,pullup=on", [17]),
        ("dtoverlay=w1-gpio,gpiopin=many", [4]),
        ("dtoverlay=gpio-shutdown,gpio_pin=99", []),
        ("dtoverlay=uart3\ndtoverlay=vc4-kms-v3d", [4, 5]),
        ("dtoverlay=\ndtparam=\n=\ndtoverlay", []),
    ],
)
def test_config_txt_says_which_pins_are_given_away(config: str, pins: list[int]) -> None:
    assert sorted(taken_pins(config)) == pins


def test_what_the_kernel_says_of_chips_and_lines_is_read() -> None:
    assert label_in(CHIP.pack(b"gpiochip0", b"pinctrl-bcm2711", 58)) == ("pinctrl-bcm2711", 58)
    assert (CHIP.size, LINE.size) == (68, 256), "as the kernel's structs are"
    assert user_in(LINE.pack(b"GPIO17", b"spi0 CS1", 17, 0, 1 | 8)) == "spi0 CS1"
    assert user_in(LINE.pack(b"GPIO17", b"", 17, 0, 4)) is None


def door(state: str = "locked", *, faulty: bool = False, **seen: bool) -> dict[str, Any]:
    """What the daemon says of a door."""
    return {"state": state, "faulty": faulty, "seen": seen}


@pytest.mark.parametrize(
    ("told", "verdict", "words"),
    [
        (door(), GOOD, "locked; without a contact"),
        (door("jammed"), BAD, "`grindvakt door test gate`"),
        (door("forced"), BAD, "see who is inside"),
        (door("held_open"), BAD, "stands open for too long"),
        (door(faulty=True), BAD, "locked, and its lock did not obey → see whether relay or drive is powered"),
        (door(tamper=True), BAD, "the box is open → close the box, or see tamper_active_high"),
        (door(thrown=True, withdrawn=True), BAD, "both switches of the bolt say yes"),
        (door(thrown=True, withdrawn=False), GOOD, "locked"),
        (door(exit=True), DOUBTFUL, "its exit button is pressed → if nobody presses it"),
        (None, UNKNOWN, "only the daemon knows"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_door(told: dict[str, Any] | None, verdict: Verdict, words: str) -> None:
    (finding,) = judge_doors([DoorSettings(name="gate", pin=23)], {} if told is None else {"gate": told})
    says(finding, verdict, words)


def test_every_state_of_a_door_is_judged() -> None:
    fitted = DoorSettings(name="gate", pin=23, contact_pin=24)
    found = {state: next(judge_doors([fitted], {"gate": door(state)})).verdict for state in DoorState}
    assert {state for state, verdict in found.items() if verdict is BAD} == {
        DoorState.JAMMED,
        DoorState.FORCED,
        DoorState.HELD_OPEN,
    }


def test_a_terminal_without_doors_is_good() -> None:
    (finding,) = judge_doors([], {})
    says(finding, GOOD, "nothing is opened")


def test_lights_say_what_they_show_and_simulated_ones_are_doubtful() -> None:
    shown: dict[str, Any] = {
        "lights": {"shown": "unbound"},
        "conditions": [{"name": "unbound", "says": "not bound to a project"}],
    }
    says(
        judge_signals(SignalSettings(kind="gpio"), shown), GOOD, "they show unbound (not bound", "signal show identify"
    )
    says(judge_signals(SignalSettings(kind="simulated"), shown), DOUBTFUL, "nobody at the gate sees them")
    says(judge_signals(SignalSettings(kind="gpio"), None), UNKNOWN, "only the daemon knows")


MOMENT: Final = "2026-06-10T12:00:00+00:00"


@pytest.mark.parametrize(
    ("seen", "verdict", "words"),
    [
        (Time(MOMENT, ClockQuality.SYNCHRONISED, MOMENT), GOOD, "2026-06-10 12:00:00 UTC (synchronised)"),
        (Time(MOMENT, ClockQuality.SYNCHRONISED, MOMENT, believed=True), DOUBTFUL, "set battery_clock = false"),
        (Time(MOMENT, ClockQuality.HELD, MOMENT, battery=True, believed=True), GOOD, "(held)"),
        (Time(MOMENT, ClockQuality.HELD, MOMENT), DOUBTFUL, "no time server vouches for it now → let it reach"),
        (Time(MOMENT, ClockQuality.UNTRUSTED, MOMENT), BAD, "last right at 2026-06-10 12:00 → let it reach"),
        (Time(MOMENT, ClockQuality.UNTRUSTED, MOMENT, asks=False), BAD, "`timedatectl set-ntp true`"),
        (Time(MOMENT, ClockQuality.UNTRUSTED, MOMENT, is_blind=True), UNKNOWN, "ask as root"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_clock(seen: Time, verdict: Verdict, words: str) -> None:
    says(judge_clock(seen), verdict, words)


def disk(**changed: Any) -> Disk:
    """A healthy card, but for what is changed."""
    healthy: dict[str, Any] = {
        "folder": Path("/var/lib/grindvakt"),
        "free": 9000 * MEBIBYTE,
        "size": 30_000 * MEBIBYTE,
        "files_free": 100_000,
        "took": 0.02,
        "reserved": True,
        "is_card": True,
    }
    return Disk(**(healthy | changed))


@pytest.mark.parametrize(
    ("seen", "verdict", "words"),
    [
        (disk(), GOOD, "9000 of 30000 MiB free, a durable write on an SD card took 20 ms"),
        (disk(is_read_only=True), BAD, "read-only → look at `dmesg` for errors of the card and renew it"),
        (disk(free=MEBIBYTE), BAD, "full: 1 of 30000 MiB free"),
        (
            disk(free=100 * MEBIBYTE),
            DOUBTFUL,
            "nearly full",
        ),
        (disk(reserved=False), DOUBTFUL, "make room"),
        (disk(files_free=5), DOUBTFUL, "only 5 more files can be made"),
        (disk(took=1.5), DOUBTFUL, "took 1500 ms → each tap waits so long"),
        (disk(took=None, unwritten="Permission denied"), GOOD, "no write was tried: Permission denied"),
        (disk(is_memory=True), BAD, "the next power cut takes the ledger with it"),
        (disk(files_free=None, reserved=None, is_card=False), GOOD, "a durable write on this disk"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_disk(seen: Disk, verdict: Verdict, words: str) -> None:
    says(judge_disk(seen), verdict, words)


TERMINAL: Final = TerminalSettings(id=TerminalId("gate-1"))
BOOK: Final = Book(owner="gate-1", entries=12, receipted=10, checked=12)


@pytest.mark.parametrize(
    ("book", "told", "verdict", "words"),
    [
        (BOOK, None, GOOD, "12 entries, 10 of them receipted; the newest 12 are chained"),
        (Book(is_there=False), None, UNKNOWN, "there is none yet"),
        (Book(forbidden=True), None, UNKNOWN, "ask as root"),
        (Book(forbidden=True), {"last_seq": 12}, GOOD, "12 entries, says the daemon"),
        (Book(unusable="disk I/O error"), None, BAD, "disk I/O error → keep the file"),
        (
            Book(owner="gate-1", broken="entry 7: wrong"),
            None,
            BAD,
            "its chain does not hold: entry 7: wrong → keep the file",
        ),
        (Book(owner="gate-2"), None, BAD, "belongs to terminal gate-2, and this one is gate-1 → correct `id`"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_ledger(book: Book, told: dict[str, Any] | None, verdict: Verdict, words: str) -> None:
    (finding,) = judge_ledger(book, TERMINAL, told)
    says(finding, verdict, words)


def test_a_ledger_that_was_put_aside_or_will_be_is_told_beside_the_one_that_records() -> None:
    book = Book(owner="gate-1", condemned=True, aside=("first", "the disk image is malformed."))
    _, condemned, aside = judge_ledger(book, TERMINAL, None)
    says(condemned, BAD, "marked as damaged", "restart the daemon")
    says(aside, DOUBTFUL, "2 damaged before it are kept; the last because: the disk image is malformed → look")


NOW: Final = ClockReading(int(SINCE.timestamp()) * MICROSECONDS, ClockQuality.SYNCHRONISED, b"b" * 16, 1)
WRONG_CLOCK: Final = ClockReading(0, ClockQuality.UNTRUSTED, b"b" * 16, 1)


def papers(**changed: Any) -> Papers:
    """Papers as they should be in June 2026, but for what is changed."""
    right: dict[str, Any] = {
        "name": "gate-1",
        "begins": datetime(2026, 1, 1, tzinfo=UTC),
        "ends": datetime(2027, 1, 1, tzinfo=UTC),
        "authority_ends": datetime(2036, 1, 1, tzinfo=UTC),
        "fits": True,
        "chained": True,
    }
    return Papers(**(right | changed))


@pytest.mark.parametrize(
    ("seen", "now", "verdict", "words"),
    [
        (papers(), NOW, GOOD, "gate-1, valid until 2027-01-01"),
        (papers(name="gate-2"), NOW, BAD, "is for gate-2, and this terminal is gate-1"),
        (papers(fits=False), NOW, BAD, "the key is not that of the certificate"),
        (papers(chained=False), NOW, BAD, "did not sign the certificate"),
        (papers(ends=datetime(2026, 6, 1, tzinfo=UTC)), NOW, BAD, "expired on 2026-06-01"),
        (papers(ends=datetime(2026, 6, 12, tzinfo=UTC)), NOW, DOUBTFUL, "valid until 2026-06-12"),
        (papers(begins=datetime(2026, 6, 12, tzinfo=UTC)), NOW, BAD, "not valid before 2026-06-12"),
        (papers(authority_ends=datetime(2026, 6, 1, tzinfo=UTC)), NOW, BAD, "authority in `ca` expired"),
        (
            papers(begins=datetime(2026, 6, 12, tzinfo=UTC)),
            WRONG_CLOCK,
            GOOD,
            "not compared with a clock that is wrong",
        ),
        (Papers(missing=(KEY,)), NOW, BAD, "not there: /etc/grindvakt/terminal.key"),
        (Papers(forbidden=(KEY,)), NOW, UNKNOWN, "you may not read /etc/grindvakt/terminal.key"),
        (Papers(wrong="not PEM"), NOW, BAD, "cannot be read: not PEM"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_certificate(seen: Papers, now: ClockReading, verdict: Verdict, words: str) -> None:
    (finding,) = judge_papers(seen, "gate-1", KEY, now)
    says(finding, verdict, words)


def test_a_key_that_the_daemon_may_not_read_or_others_may_is_told_beside_the_certificate() -> None:
    _, shut_out, signing = judge_papers(papers(shut_out="grindvakt", signing="key 1: no base64"), "gate-1", KEY, NOW)
    says(shut_out, BAD, "grindvakt may not read the key", f"`chown grindvakt {KEY}`")
    says(signing, BAD, "key 1: no base64", "take its public key from the portal")
    _, open_key = judge_papers(papers(open_key="-rw-r--r--"), "gate-1", KEY, NOW)
    says(open_key, DOUBTFUL, "(-rw-r--r--)", f"`chmod 600 {KEY}`")


def told(**changed: Any) -> dict[str, Any]:
    """The status of a daemon that is well, but for what is changed."""
    well: dict[str, Any] = {
        "link": {"online": True, "silent_seconds": 30},
        "queue": {"depth": 0, "oldest_unsent": None},
        "clock": {"utc": MOMENT},
        "ledger": {"behind": 0},
    }
    return well | changed


@pytest.mark.parametrize(
    ("status", "verdict", "words"),
    [
        (told(), GOOD, "connected, heard 30 s ago; all entries receipted"),
        (told(link={"online": True, "silent_seconds": 86_400}), GOOD, "heard 24 h ago"),
        (told(link={"online": True, "silent_seconds": None}), DOUBTFUL, "compare link.signing_keys"),
        (told(link={"online": False, "silent_seconds": 3}), BAD, "offline; all entries receipted"),
        (
            told(queue={"depth": 3, "oldest_unsent": "2026-06-10T11:00:00+00:00"}),
            BAD,
            "no receipt comes: 3 entries wait for their receipt, the oldest of 2026-06-10 11:00",
        ),
        (told(queue={"depth": 1, "oldest_unsent": "2026-06-10T11:59:59+00:00"}), GOOD, "1 entries wait"),
        (None, UNKNOWN, "only the daemon knows"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_cloud(status: dict[str, Any] | None, verdict: Verdict, words: str) -> None:
    (finding,) = judge_cloud(status)
    says(finding, verdict, words)


def test_entries_of_damaged_ledgers_that_are_still_to_be_sent_are_told() -> None:
    _, behind = judge_cloud(told(ledger={"behind": 5}))
    says(behind, DOUBTFUL, "5 entries of damaged ledgers are still to be sent")


BOUND: Final = {"project_name": "Kvarnen", "place": "North gate", "mode": "open", "ended": False, "doors": ["gate"]}
GATE: Final = DoorSettings(name="gate", pin=23)


@pytest.mark.parametrize(
    ("bound", "doors", "verdicts", "words"),
    [
        (None, [GATE], [BAD], "bind it in the portal"),
        (BOUND, [GATE], [GOOD], "Kvarnen, North gate (open)"),
        (BOUND | {"ended": True}, [GATE], [DOUBTFUL], "the project has ended → bind it to another project"),
        (BOUND, [], [GOOD, BAD], "door gate, which this terminal does not have → add [[door]]"),
        (BOUND | {"doors": []}, [GATE], [GOOD, DOUBTFUL], "no tap opens door gate: the binding does not name it"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_binding(bound: dict[str, Any] | None, doors: list[DoorSettings], verdicts: list[Verdict], words: str) -> None:
    findings = list(judge_binding(bound, doors))
    assert [each.verdict for each in findings] == verdicts
    says(findings[-1], verdicts[-1], words)


@pytest.mark.feature("F05")
@pytest.mark.parametrize(
    ("policy", "issuers", "verdict", "words"),
    [
        ("require", [], BAD, "no issuer is named here: nobody comes in → put the certificate of who issues the cards"),
        ("prefer", [], DOUBTFUL, "no issuer is named here: none is asked → put the certificate"),
        ("require", [Path("id06.pem")], None, ""),
        ("off", [], None, ""),
    ],
)
def test_proof_that_a_project_asks_for_needs_an_issuer(
    policy: str, issuers: list[Path], verdict: Verdict | None, words: str
) -> None:
    findings = list(judge_proof(BOUND | {"card_authentication": policy}, CardSettings(issuers=tuple(issuers))))
    assert [each.verdict for each in findings] == ([] if verdict is None else [verdict])
    for finding in findings:
        says(finding, finding.verdict, words)


def test_tables_that_lack_are_bad() -> None:
    says(judge_tables({"binding": 3, "roster": 9}, []), GOOD, "binding 3, roster 9")
    says(judge_tables({"binding": 3}, ["blocklist"]), BAD, "not here yet: blocklist (here: binding 3)")


@pytest.mark.parametrize(
    ("flags", "verdict", "words"),
    [
        (0x0, GOOD, "was right ever since"),
        (0x50005, BAD, "too low now → fit a supply"),
        (0x10000, DOUBTFUL, "was too low since"),
        (0x40000, DOUBTFUL, "slowed itself down"),
        (None, UNKNOWN, "does not tell"),
    ],
)
def test_power(flags: int | None, verdict: Verdict, words: str) -> None:
    says(judge_supply(Supply(flags, 40.0))[0], verdict, words)


@pytest.mark.parametrize(
    ("celsius", "verdict"), [(None, UNKNOWN), (45.2, GOOD), (79.9, GOOD), (80.0, DOUBTFUL), (85.0, BAD)]
)
def test_temperature(celsius: float | None, verdict: Verdict) -> None:
    assert judge_supply(Supply(0, celsius))[1].verdict is verdict


@pytest.mark.parametrize(
    ("text", "flags"),
    [("throttled=0x50005\n", 0x50005), ("0\n", 0), ("50000", 0x50000), ("", None), ("error=1 error_msg", None)],
)
def test_the_firmware_s_flags_are_read(text: str, flags: int | None) -> None:
    assert flags_in(text) == flags
