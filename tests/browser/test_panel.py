"""The front panel of a simulated terminal, in a real browser: what a worker would see, and cards to tap."""

import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from cloud.demo.programs import free_port
from protocol.cards import CardId
from protocol.entries import DoorChange, Tap
from tests.browser.pages import LOOKS, PHONE, Look, Window, faults_of, wider_than_the_window
from tests.support.panelled import ANNA, BLOCKED, JOHAN, UNKNOWN, address, panelled, recorded
from tests.support.terminal_process import TerminalProcess

Open = Callable[..., Page]

# every moment at which a lamp changed, as the page saw it, and everything that it said meanwhile
WATCH = """() => {
    window.seen = [];
    window.said = [];
    new MutationObserver(() => window.said.push(document.getElementById('meaning').textContent))
        .observe(document.getElementById('meaning'), { childList: true });
    for (const name of ['red', 'green']) {
        const lamp = document.getElementById(name);
        new MutationObserver(() => window.seen.push([name, lamp.classList.contains('on'), performance.now()]))
            .observe(lamp, { attributeFilter: ['class'] });
    }
}"""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[TerminalProcess]:
    """A terminal that runs, with a panel."""
    with panelled(tmp_path) as running:
        running.start()
        yield running


@pytest.fixture
def panel(browser: Browser, terminal: TerminalProcess) -> Iterator[Open]:
    """Opens the panel; at the end nothing may have complained in any window."""
    with ExitStack() as opened:

        def open_panel(look: Look | None = None) -> Page:
            window = opened.enter_context(Window.opened(browser, address(terminal), look or Look()))
            window.page.goto("/")
            expect(window.page.locator("body")).to_have_class("live")
            window.page.evaluate(WATCH)
            return window.page

        yield open_panel


def lit(page: Page, lamp: str) -> None:
    """Wait until this lamp has been lit."""
    page.wait_for_function("name => window.seen.some(([lamp, is_on]) => lamp === name && is_on)", arg=lamp)


def said(page: Page, words: str) -> None:
    """Wait until the page has said this."""
    page.wait_for_function("words => window.said.includes(words)", arg=words)


@pytest.mark.feature("F11", "F22")
def test_a_card_is_tapped_with_a_click_and_the_lamp_the_words_and_the_door_answer(
    panel: Open, terminal: TerminalProcess
) -> None:
    page = panel()
    expect(page.get_by_text("Låst", exact=True)).to_be_visible()
    page.get_by_role("button", name=ANNA.name).click()
    lit(page, "green")
    said(page, "in: godkänd och registrerad här, molnet nås inte")
    expect(page.get_by_role("listitem").filter(has_text=ANNA.name)).to_contain_text("godkänd, in")
    (tap,) = recorded(terminal, Tap)
    assert (tap.card, tap.outcome) == (f"uid:{ANNA.uid}", "granted")

    expect(page.get_by_text("Olåst", exact=True)).to_be_visible()
    expect(page.get_by_role("img", name="Röd lampa: släckt")).to_be_visible()
    page.get_by_role("button", name="Tryck på").click()
    expect(page.get_by_text("Öppen", exact=True)).to_be_visible()
    expect(page.locator(".door.is-open")).to_be_visible()
    page.get_by_role("button", name="Stäng", exact=True).click()
    expect(page.get_by_text("Låst", exact=True)).to_be_visible()
    assert [change.state for change in recorded(terminal, DoorChange)][-2:] == ["locking", "locked"]


def test_a_blocked_card_turns_red_and_the_door_stays_locked(panel: Open, terminal: TerminalProcess) -> None:
    page = panel()
    page.get_by_role("button", name=BLOCKED.name).click()
    said(page, "kortet är spärrat")
    expect(page.get_by_role("listitem").filter(has_text=BLOCKED.name)).to_contain_text("nekad – Spärrat")
    expect(page.get_by_text("väntar på ett kort")).to_be_visible()
    assert {name for name, _, _ in page.evaluate("window.seen")} == {"red"}
    assert terminal.levels["lock-gate"] == 0


@pytest.mark.feature("F22")
def test_the_page_blinks_as_the_pins_do(panel: Open, terminal: TerminalProcess) -> None:
    """The lamps are the pins: every flash, and within a tenth of a second unless the machine is busy elsewhere."""
    page = panel()
    expect(page.get_by_text("väntar på ett kort")).to_be_visible()
    before = len(terminal.pin_changes)
    page.get_by_role("button", name=BLOCKED.name).click()
    said(page, "kortet är spärrat")
    expect(page.get_by_text("väntar på ett kort")).to_be_visible()
    shown = page.evaluate("window.seen")
    real = [(change.level == 1, change.at_ns / 1e6) for change in terminal.pin_changes[before:] if change.pin == "red"]
    assert [is_on for _, is_on, _ in shown] == [is_on for is_on, _ in real] == [True, False] * 6
    late = [at - pin for (_, _, at), (_, pin) in zip(shown, real, strict=True)]
    assert statistics.median(late) - min(late) < 100, "milliseconds"


def test_a_forced_door_alarms(panel: Open) -> None:
    page = panel(Look("en"))
    page.get_by_role("button", name="Push").click()
    expect(page.get_by_text("it is locked, and does not give way")).to_be_visible()
    page.get_by_role("button", name="Force open").click()
    expect(page.get_by_text("Forced", exact=True)).to_be_visible()
    expect(page.get_by_role("list").filter(has_text="Door alarm")).to_be_visible()
    expect(page.get_by_role("img", name="Buzzer: on")).to_be_visible()


def test_a_bolt_that_is_stuck_is_seen(panel: Open) -> None:
    page = panel(Look("en"))
    page.get_by_role("button", name="Jam the bolt").click()
    page.get_by_role("button", name=JOHAN.name).click()
    expect(page.get_by_text("Jammed", exact=True)).to_be_visible(timeout=15_000)
    expect(page.get_by_role("list").filter(has_text="Lock stuck")).to_be_visible()


def test_an_unplugged_reader_and_a_hasty_worker_are_seen(panel: Open) -> None:
    page = panel(Look("en"))
    page.get_by_role("button", name="Take a card away too soon").click()
    said(page, "hold the card still and try again")
    page.get_by_role("button", name="Unplug the reader").click()
    expect(page.get_by_role("list").filter(has_text="Reader lost")).to_be_visible()
    page.get_by_role("button", name=ANNA.name).click()
    expect(page.get_by_role("alert").filter(has_text="not plugged in")).to_be_visible()
    page.get_by_role("button", name="Plug the reader in").click()
    expect(page.locator("#wrong")).to_be_hidden()


def test_any_card_can_be_typed_and_nonsense_is_refused_in_words(panel: Open, terminal: TerminalProcess) -> None:
    page = panel()
    page.get_by_label("Något annat kort").fill("hello")
    page.get_by_role("button", name="Blippa", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="uid:")).to_be_visible()
    page.get_by_label("Något annat kort").fill("uid:04010203040506")
    page.keyboard.press("Enter")
    expect(page.get_by_role("listitem").filter(has_text="uid:04010203040506")).to_be_visible()
    expect(page.get_by_role("button", name="uid:04010203040506")).to_be_visible()
    assert [tap.card for tap in recorded(terminal, Tap)] == ["uid:04010203040506"]


def test_what_is_tapped_elsewhere_appears_too_and_the_same_holding_of_a_card_once(
    panel: Open, terminal: TerminalProcess
) -> None:
    page = panel()
    for _ in range(2):
        terminal.tap(CardId.parse(UNKNOWN))
    expect(page.get_by_role("listitem").filter(has_text="Somebody new")).to_have_count(1)


def test_everything_can_be_done_with_keys_alone(panel: Open, terminal: TerminalProcess) -> None:
    page = panel(Look("en"))
    reached = []
    for _ in range(22):
        page.keyboard.press("Tab")
        reached.append(str(page.evaluate("document.activeElement.innerText || document.activeElement.id")))
    assert any(ANNA.name in name for name in reached)
    assert {"Svenska", "card", "Tap", "Push", "Exit button"} <= set(reached)
    page.get_by_role("button", name=ANNA.name).focus()
    page.keyboard.press("Enter")
    lit(page, "green")


def test_the_page_beeps_as_the_buzzer_does_once_somebody_wants_to_hear_it(panel: Open) -> None:
    page = panel(Look("en"))
    page.evaluate("""() => {
        window.gains = [];
        const real = AudioContext.prototype.createGain;
        AudioContext.prototype.createGain = function () { return (window.gain = real.call(this)); };
        new MutationObserver(() => window.gains.push([document.getElementById('buzzer').classList.contains('on'),
            Math.round((window.gain?.gain.value ?? 0) * 100) / 100]))
            .observe(document.getElementById('buzzer'), { attributeFilter: ['class'] });
    }""")
    page.get_by_role("button", name="Let the page beep").click()
    page.get_by_role("button", name=BLOCKED.name).click()
    page.wait_for_function("() => window.gains.length >= 12")
    page.get_by_role("button", name="Let the page beep").click()
    page.evaluate("window.heard = window.gains.splice(0)")
    assert page.evaluate("window.heard") == [[True, 0.06], [False, 0]] * 6


def test_a_language_is_chosen_and_stays(panel: Open) -> None:
    page = panel()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_text("Hold your card here")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Hold your card here")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_the_panel_can_be_used_by_everybody_on_any_screen(panel: Open, look: Look) -> None:
    """WCAG 2.2 A and AA by axe; nothing sticks out but the row of cards, which is scrolled."""
    page = panel(look)
    page.get_by_role("button", name=ANNA.name).click()
    expect(page.get_by_role("listitem").filter(has_text=ANNA.name)).to_be_visible()
    assert faults_of(page) == []
    page.locator("#cards").evaluate("row => row.replaceChildren(row.firstElementChild)")
    assert wider_than_the_window(page) == []


def test_on_a_phone_the_lamps_are_in_sight_of_whoever_taps(panel: Open) -> None:
    page = panel(Look("sv", PHONE))
    page.get_by_role("button", name=BLOCKED.name).click()
    said(page, "kortet är spärrat")
    expect(page.locator("#meaning")).to_be_in_viewport()
    expect(page.locator("#red")).to_be_in_viewport()
    page.get_by_role("button", name="Tryck på").scroll_into_view_if_needed()
    expect(page.locator("#red")).to_be_in_viewport()


def test_the_lamps_are_small_enough_to_flash(panel: Open) -> None:
    """WCAG 2.3.1: what flashes more than three times a second stays below a quarter of ten degrees of sight."""
    page = panel()
    for name in ("red", "green"):
        box = page.locator(f"#{name}").bounding_box()
        assert box is not None
        assert 3.14 / 4 * box["width"] * box["height"] < 21_824


def test_a_page_says_that_its_terminal_is_gone_and_goes_on_when_it_is_back(browser: Browser, tmp_path: Path) -> None:
    with panelled(tmp_path, free_port()) as terminal:
        terminal.start()
        with Window.opened(browser, address(terminal), Look()) as window:
            page = window.page
            page.goto("/")
            expect(page.get_by_text("väntar på ett kort")).to_be_visible()
            terminal.stop()
            expect(page.get_by_role("alert").filter(has_text="svarar inte")).to_be_visible()
            terminal.start()
            expect(page.get_by_text("svarar inte")).to_be_hidden(timeout=20_000)
            page.get_by_role("button", name=ANNA.name).click()
            expect(page.get_by_role("listitem").filter(has_text=ANNA.name)).to_be_visible()
