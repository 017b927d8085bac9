"""Forms in a real browser: with the mouse, with keys alone, and without JavaScript."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.support.portal_server import PortalServer
from tests.support.portal_site import FOREIGN, PASSWORD, SPARE

# whether the element that has the focus looks different for it; a link that covers its row marks the row
MARKED = """() => {
    const focused = document.activeElement;
    const look = getComputedStyle(focused.matches('.row-link') ? focused.closest('tr') : focused);
    const outlined = look.outlineStyle !== 'none' && look.outlineWidth !== '0px';
    return focused === document.body || outlined || look.boxShadow !== 'none';
}"""


@pytest.mark.feature("A06")
@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_a_terminal_is_bound_and_unbound(window: Open, scripts: bool) -> None:
    page = window(scripts=scripts).log_in()
    page.get_by_role("link", name="Personalliggare").click()
    page.get_by_role("row").filter(has_text="Reserv").click()
    expect(page.get_by_role("heading", name="Reserv", exact=True)).to_be_visible()
    page.get_by_label("Projekt").select_option(label="Kvarnen etapp 2 (B1EX4MP3L2026)")
    page.get_by_label("Plats").fill("Östra grinden")
    page.get_by_label("sidodörr").uncheck()
    page.get_by_role("button", name="Koppla personalliggaren").click()

    expect(page.get_by_role("status").filter(has_text="Personalliggaren är kopplad.")).to_be_visible()
    expect(page.get_by_label("Plats")).to_have_value("Östra grinden")
    expect(page.get_by_label("sidodörr")).not_to_be_checked()

    page.get_by_role("link", name="Koppla loss …").click()
    expect(page.get_by_role("heading", name="Koppla loss Reserv?")).to_be_visible()
    page.get_by_role("button", name="Koppla loss").click()
    expect(page.get_by_text("Personalliggaren är inte längre kopplad")).to_be_visible()


def test_what_is_missing_is_said_beside_the_field_and_what_was_right_is_kept(karin: Page) -> None:
    karin.goto(f"/terminals/{SPARE}")
    karin.get_by_label("Plats").fill("Östra grinden")
    karin.get_by_label("sidodörr").uncheck()
    karin.get_by_role("button", name="Koppla personalliggaren").click()
    project = karin.get_by_label("Projekt")
    expect(project).to_have_accessible_description("Välj det projekt där personalliggaren står.")
    expect(project).to_have_attribute("aria-invalid", "true")
    expect(karin.get_by_label("Plats")).to_have_value("Östra grinden")
    expect(karin.get_by_label("sidodörr")).not_to_be_checked()


def test_without_scripts_the_live_page_says_that_it_stands_still(window: Open) -> None:
    page = window(scripts=False).log_in()
    assert "Utan JavaScript står sidan stilla" in page.locator(".gv-live noscript").inner_html()
    expect(page.locator("[data-live-state]:visible")).to_have_count(0)


def test_everything_can_be_done_with_keys_alone_and_where_one_is_can_be_seen(window: Open) -> None:
    page = window().page

    def press(*keys: str) -> None:
        for key in keys:
            page.keyboard.press(key)
            assert page.evaluate(MARKED), f"after {key} nothing shows where one is"

    def focused() -> str:
        return str(page.evaluate("document.activeElement.innerText || document.activeElement.name"))

    page.goto("/login")
    page.keyboard.type("karin")
    press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Blippningar", exact=True)).to_be_visible()

    press("Tab")
    assert focused() == "Hoppa till innehållet"
    press("Tab", "Tab", "Tab")
    assert focused() == "Personalliggare"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Personalliggare", exact=True)).to_be_visible()

    press("Tab")
    page.keyboard.press("Enter")  # past the menu
    press("Tab", "Tab", "Tab")
    assert focused() == "Reserv"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Reserv", exact=True)).to_be_visible()

    press("Tab")
    page.keyboard.press("Enter")
    press("Tab", "Tab")
    assert focused().startswith("Välj projekt")
    page.keyboard.type("Kvarnen")
    press("Tab")
    page.keyboard.type("Östra grinden")
    press("Tab", "Tab")
    page.keyboard.press("Space")
    press("Tab")
    assert focused() == "Koppla personalliggaren"
    page.keyboard.press("Enter")
    expect(page.get_by_text("Personalliggaren är kopplad.")).to_be_visible()
    expect(page.get_by_label("grind", exact=True)).to_be_checked()
    expect(page.get_by_label("sidodörr")).not_to_be_checked()


def test_a_language_is_chosen_by_a_link_and_stays(window: Open) -> None:
    page = window().page
    page.goto("/login")
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.get_by_role("link", name="Svenska").click()
    expect(page.get_by_role("heading", name="Logga in")).to_be_visible()


def test_another_customers_terminal_is_not_there(window: Open) -> None:
    page = window().log_in()
    page.goto(f"/terminals/{FOREIGN}")
    expect(page.get_by_role("heading", name="Här finns ingenting")).to_be_visible()


def test_logging_out_leaves_nothing_to_go_back_to(portal: PortalServer, karin: Page) -> None:
    karin.get_by_role("button", name="Logga ut").click()
    expect(karin.get_by_text("Du är utloggad.")).to_be_visible()
    karin.go_back()
    expect(karin).to_have_url(f"{portal.address}/login?next=/")
