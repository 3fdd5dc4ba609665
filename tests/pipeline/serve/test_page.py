"""The page in headless Chromium: a sound is dropped, chosen by keyboard or recorded, and the answer is shown."""

import base64
import io
import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import soundfile

import nsynth
from tests.pipeline.browser import chromium

pytestmark = pytest.mark.slow

WIDE, PHONE = (1280, 900), (390, 844)  # px


@pytest.fixture(scope="module")
def driver(tmp_path_factory) -> Iterator:
    """A browser with a microphone that plays a tone."""
    with chromium(
        tmp_path_factory.mktemp("profile"),
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        "--autoplay-policy=no-user-gesture-required",
    ) as started:
        yield started


@pytest.fixture(scope="module")
def note(tmp_path_factory, notes):
    """A file with a note of a guitar."""
    path = tmp_path_factory.mktemp("notes") / "a note.wav"
    soundfile.write(path, notes[12].audio, nsynth.SAMPLE_RATE_HZ)
    return path


@pytest.fixture
def show(driver, server) -> Callable:
    """Opens the page in a setting."""

    def opened(size: tuple[int, int] = WIDE, scheme: str = "light"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": features})
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        for kind in ("browser", "performance"):
            driver.get_log(kind)  # forgets what was there
        driver.get(server.url)
        return driver

    return opened


def wait(driver, script: str):
    """Waits until a script says something true."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, 60).until(lambda d: d.execute_script(f"return {script}"))


def drop(driver, path, x: int = 640, y: int = 300) -> None:
    """Drags a file over the page and lets it go, as a pointer does."""
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        told = {"type": kind, "x": x, "y": y, "data": data}
        driver.execute_cdp_cmd("Input.dispatchDragEvent", told)


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (WIDE, "dark"), (PHONE, "dark")])
def test_a_dropped_sound_is_answered_and_drawn(show, server, note, tmp_path, size, scheme):
    driver = show(size, scheme)
    drop(driver, note, x=size[0] // 2)
    wait(driver, "!document.getElementById('result').hidden")
    expected = server.ask("/classify", note.read_bytes()).json["classes"]
    shown = driver.execute_script("return [...document.querySelectorAll('.answers b')].map(b => b.innerText)")
    assert shown == [c["name"] for c in expected]
    text = driver.find_element("id", "result").text
    assert f"{100 * expected[0]['probability']:.1f} %" in text
    assert "a note.wav, 4.0 s" in text
    for canvas in ("waveform", "spectrogram"):
        colours = driver.execute_script(
            f"const c = document.getElementById('{canvas}');"
            "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            "return new Set(new Uint32Array(d.buffer)).size"
        )
        assert colours > (1 if canvas == "waveform" else 50), canvas
    wait(driver, "document.getElementById('player').duration > 3.9")
    assert driver.get_log("browser") == []
    assert driver.execute_script("return document.documentElement.scrollWidth") <= size[0]
    driver.save_screenshot(str(tmp_path / f"{size[0]}-{scheme}.png"))


def test_a_sound_unlike_the_training_data_gets_a_word(show, note, notes, tmp_path):
    driver = show()
    remark = driver.find_element("id", "remark")
    drop(driver, note)
    wait(driver, "!document.getElementById('result').hidden")
    assert not remark.is_displayed()
    soundfile.write(tmp_path / "loud.wav", notes[12].audio * 1.9, nsynth.SAMPLE_RATE_HZ)
    drop(driver, tmp_path / "loud.wav")
    wait(driver, "document.getElementById('heard').textContent.includes('loud.wav')")
    assert remark.is_displayed()
    assert "It is unlike the training data." in driver.find_element("id", "status").text


def test_what_is_no_sound_is_said(show, tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("no sound")
    driver = show()
    drop(driver, path)
    wait(driver, "document.getElementById('status').classList.contains('bad')")
    assert "letter.txt: cannot be read as audio" in driver.find_element("id", "status").text
    assert driver.execute_script("return document.getElementById('result').hidden")
    # The browser itself notes the status of an answer.
    assert [e for e in driver.get_log("browser") if "status of 400" not in e["message"]] == []


def test_a_file_is_chosen_with_the_keyboard(show, note):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    driver = show()
    field = driver.find_element("id", "file")
    ActionChains(driver).send_keys(Keys.TAB).perform()
    assert driver.switch_to.active_element == field
    outline = "getComputedStyle(document.querySelector('label.button')).outlineStyle"
    assert driver.execute_script(f"return {outline}") == "solid", "one sees where one is"
    ActionChains(driver).send_keys(Keys.TAB).perform()
    assert driver.switch_to.active_element.get_attribute("id") == "record"
    field.send_keys(str(note))
    wait(driver, "!document.getElementById('result').hidden")
    assert "Heard a note.wav" in driver.find_element("id", "status").text


def test_the_microphone_is_heard(show):
    """Chromium's own false microphone, which beeps."""
    driver = show()
    button = driver.find_element("id", "record")
    button.click()
    wait(driver, "document.getElementById('record').textContent === 'Stop'")
    wait(driver, "!document.getElementById('result').hidden")
    assert "the recording, " in driver.find_element("id", "heard").text
    assert button.text == "Record"
    assert driver.get_log("browser") == []


def test_a_format_that_only_the_browser_reads_is_heard(show, tmp_path, notes):
    """It sends what the browser decodes. Opus in WebM, made by the browser itself."""
    driver = show()
    made = driver.execute_async_script(
        "const done = arguments[0], context = new AudioContext(), out = context.createMediaStreamDestination();"
        "const tone = context.createOscillator(); tone.connect(out); tone.start();"
        "const recorder = new MediaRecorder(out.stream, {mimeType: 'audio/webm;codecs=opus'}), parts = [];"
        "recorder.ondataavailable = e => parts.push(e.data);"
        "recorder.onstop = async () => done([...new Uint8Array(await new Blob(parts).arrayBuffer())]);"
        "recorder.start(); setTimeout(() => recorder.stop(), 1000);"
    )
    path = tmp_path / "tone.webm"
    path.write_bytes(bytes(made))
    with pytest.raises(soundfile.SoundFileError):
        soundfile.read(io.BytesIO(path.read_bytes()))
    drop(driver, path)
    wait(driver, "!document.getElementById('result').hidden")
    assert "tone.webm" in driver.find_element("id", "heard").text


def test_only_this_server_is_asked(show, server, note):
    driver = show()
    drop(driver, note)
    wait(driver, "!document.getElementById('result').hidden")
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
    assert f"{server.url}classify" in sent
    assert [url[:80] for url in sent if not url.startswith((server.url, "data:", "blob:"))] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_has_a_name_and_text_stands_out(show, note, scheme):
    """Names as a screen reader tells them, and contrast as WCAG measures it: 4.5 to 1."""
    from tests.pipeline.report.test_browser import contrast

    driver = show(scheme=scheme)
    drop(driver, note)
    wait(driver, "!document.getElementById('result').hidden")
    tree = driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = {
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in tree
        if not node.get("ignored")
    }
    for role, name in (
        ("button", "Record"),
        ("button", "Choose a file"),
        ("image", "Waveform of the sound"),
        ("list", "Most likely families"),
        ("region", "Give a sound"),
        ("status", ""),
    ):
        assert (role, name) in named, sorted(n for n in named if n[0] == role)
    assert [n for n in named if n[0] in ("button", "image", "link") and not n[1]] == []
    style = "const s = getComputedStyle(document.documentElement); return n => s.getPropertyValue(n)"
    names = ("--ink", "--muted", "--blue", "--red", "--surface", "--page", "--on-colour")
    colours = driver.execute_script(
        f"const get = (() => {{ {style} }})(); return Object.fromEntries(arguments[0].map(n => [n, get(n)]))",
        names,
    )
    pairs = [(name, behind) for name in names[:4] for behind in ("--surface", "--page")]
    for one, other in [*pairs, ("--on-colour", "--blue")]:
        assert contrast(colours[one], colours[other]) >= 4.5, (one, other)
    sizes = driver.execute_script(
        "return [...document.querySelectorAll('body *')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 11


def test_levels_of_a_tone_lie_where_its_frequency_is():
    """Low bands first: a low tone is loudest in a lower band than a high one."""
    from pipeline.serve.sound import draw

    loudest = []
    for hz in (110, 3520):
        tone = np.sin(2 * np.pi * hz * np.arange(16_000) / 16_000).astype(np.float32)
        picture = draw(tone)["spectrogram"]
        levels = np.frombuffer(base64.b64decode(picture["levels"]), np.uint8)
        loudest.append(levels.reshape(picture["bands"], -1).mean(1).argmax())
    assert loudest[0] < loudest[1]
