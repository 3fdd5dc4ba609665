"""The pages in headless Chromium: nothing on the console, nothing from the network, readable in every setting."""

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.report.index import write_index
from pipeline.retrain.index import collect
from tests.pipeline.browser import chromium
from tests.pipeline.report.past_rounds import write_rounds

pytestmark = pytest.mark.slow

WIDE, PHONE, PAPER = (1280, 900), (390, 844), (718, 1000)  # px; A4 less its margins


@pytest.fixture(scope="module")
def driver(tmp_path_factory) -> Iterator:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Path:
    """The index of a workspace with 40 rounds."""
    config = write_rounds(tmp_path_factory.mktemp("index") / "workspace", 40)
    return write_index(config, collect(config))


@pytest.fixture
def show(driver, page, index) -> Callable:
    """Opens the page of a run, or the index, in a setting."""

    def opened(size: tuple[int, int] = WIDE, scheme: str = "light", medium: str = "screen", of: str = "run"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium, "features": features})
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        for kind in ("browser", "performance"):
            driver.get_log(kind)  # forgets what was there
        driver.get((page if of == "run" else index).as_uri())
        return driver

    return opened


def screenshot(driver, path: Path) -> np.ndarray:
    """The whole page, also as a file: uint8 [height, width, 3]."""
    width, height = driver.execute_script("return [innerWidth, document.documentElement.scrollHeight]")
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    path.write_bytes(base64.b64decode(shot["data"]))
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize(
    ("size", "scheme"), [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light"), (PHONE, "dark")]
)
def test_it_shows_without_complaint(show, tmp_path, size, scheme):
    driver = show(size, scheme)
    assert driver.get_log("browser") == []
    hidden = driver.execute_script(
        "return [...document.querySelectorAll('section')].filter(s => s.offsetHeight < 40).map(s => s.id)"
    )
    assert hidden == []
    broken = "return [...document.images].filter(i => !i.complete || !i.naturalWidth).length"
    assert driver.execute_script(broken) == 0
    assert driver.execute_script("return document.images.length") > 20
    # Nothing sticks out sideways; wide tables scroll in their own frames.
    assert driver.execute_script("return document.documentElement.scrollWidth") <= size[0]
    seen = screenshot(driver, tmp_path / f"{size[0]}-{scheme}.png")
    corner = seen[2, 2].mean()
    assert corner > 230 if scheme == "light" else corner < 40
    assert len(np.unique(seen.reshape(-1, 3)[::97], axis=0)) > 100, "there are pictures and charts on it"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(show, scheme):
    """Contrast as WCAG measures it: 4.5 to 1 for text."""
    driver = show(scheme=scheme)
    style = "const s = getComputedStyle(document.documentElement); return n => s.getPropertyValue(n)"
    names = ("--ink", "--muted", "--blue", "--green", "--red", "--warn", "--surface", "--page")
    colours = driver.execute_script(
        f"const get = (() => {{ {style} }})(); return Object.fromEntries(arguments[0].map(n => [n, get(n)]))",
        names,
    )
    for name in names[:6]:
        for behind in ("--surface", "--page"):
            assert contrast(colours[name], colours[behind]) >= 4.5, (name, behind)


def contrast(one: str, other: str) -> float:
    """Of two colours written as #rgb or #rrggbb: WCAG 2.2, "contrast ratio"."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    digits = colour.strip().lstrip("#")
    digits = "".join(2 * d for d in digits) if len(digits) == 3 else digits
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("of", ["run", "index"])
def test_nothing_is_asked_of_the_network(show, page, index, of):
    driver = show(of=of)
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
    assert (page if of == "run" else index).as_uri() in sent
    assert driver.get_log("browser") == [], "the content-security policy had nothing to refuse"
    assert [url[:80] for url in sent if not url.startswith(("file:", "data:"))] == []


def test_a_press_on_a_picture_plays_the_note_and_stops_the_other(show):
    from selenium.webdriver.support.ui import WebDriverWait

    driver = show()
    cards = driver.find_elements("css selector", "figure.note:has(audio)")
    sounding = "return [...document.querySelectorAll('audio')].filter(a => !a.paused).map(a => a.currentTime)"
    for card in cards[:2]:
        driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", card)
        card.find_element("css selector", "button").click()
        audio = card.find_element("css selector", "audio")
        WebDriverWait(driver, 30).until(
            lambda d, audio=audio: d.execute_script("return arguments[0].currentTime > 0", audio)
        )
        assert driver.execute_script("return arguments[0].error", audio) is None
        assert driver.execute_script("return arguments[0].duration", audio) == pytest.approx(4, abs=0.01)
        assert len(driver.execute_script(sounding)) == 1
        assert "playing" in card.get_attribute("class")
    assert driver.get_log("browser") == []


def test_without_scripts_there_are_players_to_press(show, driver):
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show()
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    shown = driver.execute_script(
        "return [...document.querySelectorAll('audio')].filter(a => a.offsetHeight > 10).length"
    )
    assert shown > 11


def cut_off(driver) -> list[str]:
    """Sections with a chart that is wider than the paper."""
    return driver.execute_script("""
      return [...document.querySelectorAll(".wide > svg")]
        .filter(svg => svg.getBoundingClientRect().right > innerWidth + 1)
        .map(svg => svg.closest("section")?.id ?? "header");""")


def test_it_prints(show, tmp_path):
    """On paper: light even where the screen is dark, no buttons, and more than one page."""
    driver = show(size=PAPER, scheme="dark", medium="print")
    assert (
        driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        == "rgb(255, 255, 255)"
    )
    assert driver.execute_script("return document.querySelector('nav').offsetHeight") == 0
    assert cut_off(driver) == []
    printed = driver.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})
    content = io.BytesIO(base64.b64decode(printed["data"])).getvalue()
    assert content.startswith(b"%PDF")
    assert 3 <= content.count(b"/Type /Page\n") <= 25


@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_index_shows_in_every_setting(show, tmp_path, size, scheme):
    driver = show(size, scheme, of="index")
    assert driver.get_log("browser") == []
    assert driver.execute_script("return document.documentElement.scrollWidth") <= size[0]
    seen = screenshot(driver, tmp_path / f"index-{size[0]}-{scheme}.png")
    assert len(np.unique(seen.reshape(-1, 3)[::97], axis=0)) > 30
    cells = "return [...document.querySelectorAll('.strip .cell')].map(c => c.getAttribute('aria-label'))"
    names = driver.execute_script(cells)
    assert len(names) == 40
    assert names[-1].startswith("round ")
    assert all("; " in name for name in names)


def small_type(driver) -> list[str]:
    """Texts that are drawn smaller than 11 px, as they are laid out."""
    return driver.execute_script("""
      const seen = [];
      for (const text of document.querySelectorAll("svg text")) {
        const svg = text.ownerSVGElement, box = svg.viewBox.baseVal;
        const scale = box.width ? svg.getBoundingClientRect().width / box.width : 1;
        if (text.textContent && parseFloat(getComputedStyle(text).fontSize) * scale < 10.99)
          seen.push(text.textContent);
      }
      for (const element of document.querySelectorAll("body *"))
        if (!element.closest("svg") && parseFloat(getComputedStyle(element).fontSize) < 10.4)
          seen.push(element.outerHTML.slice(0, 80));
      return seen;""")


@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("of", ["run", "index"])
def test_no_type_is_too_small(show, size, of):
    assert small_type(show(size, of=of)) == []


def test_the_navigation_fits_and_shows_where_one_is(show):
    from selenium.webdriver.support.ui import WebDriverWait

    driver = show()
    width, frame = driver.execute_script(
        "const n = document.querySelector('nav'); return [n.scrollWidth, n.clientWidth]"
    )
    assert width <= frame
    current = "return [...document.querySelectorAll('nav [aria-current]')].map(a => a.hash)"
    for section in ("training", "slices"):
        driver.execute_script(
            "document.getElementById(arguments[0]).scrollIntoView({behavior: 'instant'})", section
        )
        WebDriverWait(driver, 60).until(lambda d, s=section: d.execute_script(current) == [f"#{s}"])


@pytest.mark.parametrize("of", ["run", "index"])
def test_on_a_phone_wide_tables_scroll_with_a_hint_and_keep_their_first_column(show, of):
    driver = show(PHONE, of=of)
    table = driver.execute_script(
        "return [...document.querySelectorAll('.wide.over')].find(w => w.querySelector('table'))"
    )
    assert "scroll" in driver.execute_script(
        "return getComputedStyle(arguments[0], '::before').content", table
    )
    places = """
      const cell = arguments[0].querySelector("tbody tr > *");
      const before = cell.getBoundingClientRect().left;
      arguments[0].scrollLeft = 60;
      return [before, cell.getBoundingClientRect().left, arguments[0].scrollLeft,
              arguments[0].tabIndex, arguments[0].getAttribute("aria-label")];"""
    before, after, scrolled, stop, name = driver.execute_script(places, table)
    assert (before, scrolled, stop) == (after, 60, 0)
    assert name.endswith("scrolls sideways")


@pytest.mark.parametrize(
    ("of", "mark"), [("run", "#confusion [data-tip]"), ("index", "svg circle[data-tip]")]
)
def test_a_mark_under_the_pointer_shows_its_values(show, of, mark):
    from selenium.webdriver.common.action_chains import ActionChains

    driver = show(of=of)
    found = driver.find_element("css selector", mark)
    # The browser tells of a scroll with the next frame, and the page hides the values then.
    scrolled = "const [mark, done] = arguments; mark.scrollIntoView({block: 'center', behavior: 'instant'});"
    driver.execute_async_script(f"{scrolled} requestAnimationFrame(() => requestAnimationFrame(done))", found)
    ActionChains(driver).move_to_element(found).perform()
    text = "const t = document.querySelector('.tip'); return t.hidden ? '' : t.textContent"
    shown = driver.execute_script(text)
    assert "%" in shown
    assert driver.execute_script("return document.querySelectorAll('svg title').length") == 0


@pytest.mark.parametrize("of", ["run", "index"])
def test_everything_can_be_reached_by_keyboard_and_has_a_name(show, of):
    from selenium.webdriver import Keys

    driver = show(of=of)
    unnamed = """
      const named = e => (e.getAttribute("aria-label") || e.textContent || e.title || e.alt || "").trim();
      return [...document.querySelectorAll("a, button, img, summary, [tabindex='0'], svg[role='img'], nav, audio")]
        .filter(e => !named(e)).map(e => e.outerHTML.slice(0, 100));"""
    assert driver.execute_script(unnamed) == []
    assert driver.execute_script("return document.querySelectorAll('h2').length") > 4
    assert driver.execute_script("return document.documentElement.lang") == "en"
    body = driver.find_element("css selector", "body")
    reached = set()
    for _ in range(60):
        body.send_keys(Keys.TAB)
        reached.add(driver.execute_script("const e = document.activeElement; return e.hash || e.className"))
    wanted = {"#gate", "#versions"} if of == "run" else {"cell kept", "cell pushed"}
    assert wanted <= reached
    driver.find_element("css selector", "summary").send_keys(Keys.ENTER)
    assert driver.execute_script("return document.querySelector('details').open")


def test_the_index_prints(show):
    driver = show(size=PAPER, scheme="dark", medium="print", of="index")
    assert cut_off(driver) == []
    background = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"
    printed = driver.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})
    assert 1 <= base64.b64decode(printed["data"]).count(b"/Type /Page\n") <= 12
