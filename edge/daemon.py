"""Builds every part of the terminal, runs them together, and stops them in reverse."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from edge.answers import Answer
from edge.clock.clock import SystemClock, boot_id
from edge.clock.timekeeping import Timekeeping, remembered
from edge.doors.door import STOPPED, Door
from edge.doors.door_log import DoorLog
from edge.doors.fitting import fitted
from edge.doors.lines import inputs, outputs
from edge.doors.requests import DoorRequests
from edge.doors.shutting import shut
from edge.doors.signs import DoorSigns
from edge.doors.simulated_door import SimulatedDoor, simulated_doors
from edge.errors import LedgerFault, StateUnusable
from edge.events import Event
from edge.guard import RepeatGuard
from edge.knowledge import Knowledge, Mounting
from edge.ledger.ledger import Ledger
from edge.ledger.start import taps_before
from edge.ledger.upkeep import Upkeep
from edge.link.link import Link
from edge.link.outbox import Outbox
from edge.link.tls import begins
from edge.local import FILE_NAME, LocalSocket
from edge.movements import Movements
from edge.pins.lines import Line
from edge.pins.pins import Pins
from edge.readers import Reader
from edge.readers.fitting import fitted_readers
from edge.readers.overview import Overview
from edge.readers.simulated import SimulatedReader
from edge.report import Report, condition
from edge.requests import Requests
from edge.settings import Settings
from edge.sightings import Sightings
from edge.signals.patterns import Pattern
from edge.signals.reader_lights import ReaderLights
from edge.signals.resting import Resting
from edge.signals.showing import Showing
from edge.signals.signals import Signals
from edge.state import State, end_on_damage, open_state, when_usable
from edge.state_lock import only_daemon
from edge.supervise import Heart, ServiceState, exit_on_bugs, exit_on_bugs_in_threads, keep
from edge.tables.silence import keep_count
from edge.tables.tables import Tables
from edge.terminal import Terminal
from edge.version import software
from edge.visit.recording import Showings
from protocol.passes import LONGEST_PASS

if TYPE_CHECKING:
    from edge.panel.front import Front

EXIT_BUG: Final = 70  # EX_SOFTWARE of sysexits.h: systemd starts a fresh one
LOOKED_BACK: Final = 2 * LONGEST_PASS  # for movements that may still count; a clock may have been set since

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ground:
    """What a start has before it opens the disk: lines inactive, doors locked, lights to say what is wrong, a clock.

    Doors come before the ledger: an exit button works whether or not anything can be recorded.
    """

    folder: Path
    pins: Pins
    lights: ReaderLights
    signals: Signals
    resting: Resting
    clock: SystemClock
    doors: dict[str, Door]
    walls: Mapping[str, SimulatedDoor]
    door_log: DoorLog


@dataclass(frozen=True, slots=True)
class Parts:
    """What runs once everything is built."""

    readers: list[Reader]
    doors: Collection[Door]
    sightings: Sightings
    link: Link
    local: LocalSocket
    report: Report
    requests: Requests
    timekeeping: Timekeeping
    upkeep: Upkeep
    tables: Tables
    count_silence: Callable[[], Awaitable[None]]
    front: "Front | None"


def run(settings: Settings, environment: Mapping[str, str], *, simulate: bool) -> int:
    """Run until SIGTERM, SIGINT or a bug; the exit status. Raises TerminalError or ChainBroken at start."""
    return asyncio.run(_run(settings, environment, simulate))


async def _run(settings: Settings, environment: Mapping[str, str], simulate: bool) -> int:
    loop = asyncio.get_running_loop()
    stopping: asyncio.Future[int] = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _settle, stopping, 0)
    exit_on_bugs(loop, partial(_settle, stopping, EXIT_BUG))
    exit_on_bugs_in_threads(loop, partial(_settle, stopping, EXIT_BUG))

    with ExitStack() as stack:
        service = ServiceState(environment)
        stack.callback(service.close)
        ground = _ground(settings, simulate, loop, stack)
        open_now = partial(open_state, ground.folder, settings.terminal.id, ground.clock)
        state = await when_usable(open_now, partial(_say_unusable, ground, service), stopping)
        if state is None:
            await shut(ground.doors.values(), STOPPED)
            return await stopping
        stack.callback(state.close)
        end_on_damage(state.ledger, loop, partial(_settle, stopping, EXIT_BUG))
        parts = _build(settings, simulate, ground, state, stack)
        for reader in parts.readers:
            reader.start(parts.report.overview.before(parts.sightings.hand_over))
            stack.callback(reader.stop)
        service.say("READY=1", f"STATUS={parts.report.words()}")
        _log.info(Event.TERMINAL_STARTED, terminal=settings.terminal.id, software=parts.report.software)
        heart = Heart(service, loop, parts.report.words)
        heart.start()

        async with asyncio.TaskGroup() as tasks:
            kept = (keep(name, run, asyncio.sleep) for name, run in _beside_the_tap(parts).items())
            beside = [tasks.create_task(each) for each in kept]
            status = await stopping
            service.say("STOPPING=1")
            for task in beside:
                task.cancel()
            await shut(parts.doors, STOPPED)
        heart.stop()
    _log.info(Event.TERMINAL_STOPPED, terminal=settings.terminal.id, status=status)
    return status


def _beside_the_tap(parts: Parts) -> dict[str, Callable[[], Awaitable[None]]]:
    beside = {
        "link": parts.link.run,
        "local socket": parts.local.run,
        "clock": parts.timekeeping.run,
        "upkeep": parts.upkeep.run,
        "tables": parts.tables.check,
        "silence": parts.count_silence,
    }
    if parts.front is not None:
        beside["panel"] = partial(parts.front.run, parts.requests.respond)
    return beside


def _ground(settings: Settings, simulate: bool, loop: asyncio.AbstractEventLoop, stack: ExitStack) -> Ground:
    folder = _folder(settings.terminal.state_dir)
    stack.enter_context(only_daemon(folder))
    pins = _pins(settings, folder, simulate)  # before all else: from here on every line is inactive
    stack.callback(pins.close)
    lights = ReaderLights(pins)
    signals = Signals(lights, loop)
    lights.is_answering = signals.is_answering
    stack.callback(signals.stop)
    certified, battery = begins(settings.link.certificate), settings.terminal.battery_clock
    clock = SystemClock(remembered(folder / "ledger.db", boot_id(), battery=battery, certified=certified))
    resting, door_log = Resting(signals), DoorLog(clock)
    doors, signs = {}, DoorSigns(resting.hold)
    walls = simulated_doors(settings.doors, pins.simulation, loop)
    for each in settings.doors:
        doors[each.name] = fitted(each, pins, loop, door_log.note, signs.look)
        stack.callback(doors[each.name].stop)
        doors[each.name].start()
    return Ground(folder, pins, lights, signals, resting, clock, doors, walls, door_log)


def _say_unusable(ground: Ground, service: ServiceState, why: str) -> None:
    """The daemon stands and can record nothing: better a light that says so than a start over and over."""
    ground.resting.hold(Pattern.LEDGER_FAULT, True)
    service.say("READY=1", "WATCHDOG=1", f"STATUS={why}")


def _build(settings: Settings, simulate: bool, ground: Ground, state: State, stack: ExitStack) -> Parts:
    """The inventory, in the order of dependence; `stack` takes it apart in reverse."""
    loop = asyncio.get_running_loop()
    pins, signals, resting, clock, doors = ground.pins, ground.signals, ground.resting, ground.clock, ground.doors
    ledger, tables = state.ledger, state.tables
    resting.hold(Pattern.LEDGER_FAULT, False)  # from now on it can record
    mounted = {each.name: Mounting(each.direction, each.doors) for each in settings.readers}
    knowledge = Knowledge(tables, _movements(ground, ledger), mounted)

    readers = fitted_readers(settings, ground.folder, tables)
    ground.lights.join(readers)
    outbox = Outbox(ledger)
    stack.callback(outbox.close)
    told = partial(condition, software(), readers, doors, resting)
    link = Link(settings.link, settings.terminal.id, clock, outbox, tables, told)
    resting.on_change = link.changed

    ground.door_log.begin(ledger, link.wake, doors)
    for door in doors.values():
        stack.callback(door.stop)  # while the ledger is open still

    guard: RepeatGuard[Answer] = RepeatGuard(settings.terminal.repeat_seconds)
    terminal = Terminal(clock, ledger, knowledge, guard, signals, doors, link.is_online, link.wake)
    sightings = Sightings(loop, terminal, signals, resting, tables, link.changed)
    sightings.face = ground.lights.face
    sightings.rest()
    tables.on_change = sightings.tables_changed
    front = _front(settings, stack) if simulate else None
    where, page = settings.link, front.address if front else None
    overview = Overview(loop, clock, readers, {each.name: each.kind for each in settings.readers}, tables.enrolment)
    report = Report(software(), where, clock, outbox, tables, link, overview, doors, signals, resting, pins, page)
    asked, tappable = DoorRequests(doors, ground.walls if simulate else None), _tappable(readers)
    showing, visits = Showing(signals, resting, loop), Showings(clock, ledger, link.wake)
    requests = Requests(report, sightings, showing, asked, visits, tappable if simulate else None)
    local = LocalSocket(_folder(settings.terminal.runtime_dir) / FILE_NAME, requests.respond)
    timekeeping = Timekeeping(clock, ledger, resting.hold, link.wake)
    upkeep = Upkeep(ledger, outbox, clock, resting.hold, link.wake, settings.terminal.retain_days)
    if front is not None:
        front.show(loop, report, sightings, tappable, ground.walls)
    count, ways = partial(keep_count, tables, clock), doors.values()
    return Parts(readers, ways, sightings, link, local, report, requests, timekeeping, upkeep, tables, count, front)


def _movements(ground: Ground, ledger: Ledger) -> Movements:
    """Who went which way; a ledger that has just followed a damaged one does not know it alone."""
    before = list(taps_before(ground.folder, ledger))
    try:
        return Movements(chain(before, ledger.taps_since(ground.clock.floor - LOOKED_BACK)))
    except LedgerFault as fault:
        _log.error(Event.LEDGER_FAILED, why=str(fault), then="toggle readers take the next tap of everybody for an IN")
        return Movements(before)


def _pins(settings: Settings, state: Path, simulate: bool) -> Pins:
    signals = settings.signals
    lines = [Line("red", signals.red), Line("green", signals.green), Line("buzzer", signals.buzzer)]
    lines += outputs(settings.doors)
    if simulate or signals.kind == "simulated":
        return Pins.simulated(lines, state / "pins.log", inputs(settings.doors))
    return Pins.on_board(lines, inputs(settings.doors))


def _front(settings: Settings, stack: ExitStack) -> "Front":
    """The page of a simulated terminal, which is loaded only here."""
    from edge.panel.front import Front

    front = Front(settings.panel)
    stack.callback(front.close)
    return front


def _tappable(readers: list[Reader]) -> dict[str, SimulatedReader]:
    return {reader.name: reader for reader in readers if isinstance(reader, SimulatedReader)}


def _folder(path: Path) -> Path:
    """The folder, made where it is not there yet. Raises StateUnusable."""
    try:
        path.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as exc:
        raise StateUnusable(path, exc.strerror or str(exc)) from exc
    return path


def _settle(stopping: asyncio.Future[int], status: int) -> None:
    if not stopping.done():
        stopping.set_result(status)
