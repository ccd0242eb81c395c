"""optuna-dashboard on a search's study, in a real browser without a screen."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from analysis.mirrors import refreshing

pytest.importorskip("optuna_dashboard", reason='needs pip install -e ".[dashboard]"')
pytest.importorskip("selenium", reason="needs pip install selenium")
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("needs chromium and chromedriver", allow_module_level=True)

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

pytestmark = [pytest.mark.integration, pytest.mark.slow]
EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "mlp_random-full"
PATIENCE = 120  # seconds for a page on a busy machine


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The dashboard on a mirror of the committed example, 16 trials of five hyperparameters."""
    run = tmp_path_factory.mktemp("runs") / EXAMPLE.name
    shutil.copytree(EXAMPLE, run)
    refreshing.mirror(run, ["optuna"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        "-c",
        "from optuna_dashboard._cli import main; main()",
        f"sqlite:///{run / 'optuna.db'}",
        "--port",
        str(port),
    ]
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(f"http://127.0.0.1:{port}/api/studies")
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


def wait_for(url):
    for _ in range(PATIENCE):
        try:
            return urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(1)
    raise TimeoutError(url)


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,2600"):
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium")
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_page_load_timeout(PATIENCE)
    yield driver
    driver.quit()


def words(browser, *expected):
    """The text of the page once it shows all of these."""

    def there(driver):
        text = driver.find_element(By.TAG_NAME, "body").get_attribute("textContent")
        return text if all(word in text for word in expected) else False

    return WebDriverWait(browser, PATIENCE).until(there)


def test_history_and_importance_show_the_search(address, browser, tmp_path):
    browser.get(f"{address}/dashboard/studies/1")
    text = words(browser, "History", "Hyperparameter Importance", "Intermediate values")
    WebDriverWait(browser, PATIENCE).until(
        lambda driver: len(driver.find_elements(By.CSS_SELECTOR, ".js-plotly-plot")) >= 3
    )
    browser.save_screenshot(str(tmp_path / "study.png"))
    assert "mlp_random-full" in text


def test_parallel_coordinates_show_every_hyperparameter(address, browser, tmp_path):
    browser.get(f"{address}/dashboard/studies/1/smartSelection")
    named = ("val_accuracy", "weight_decay", "dropout", "depth", "width", "lr")
    text = words(browser, "Parallel Coordinate", *named)
    assert all(name in text for name in named)
    browser.save_screenshot(str(tmp_path / "parallel.png"))


def test_every_trial_is_listed_with_its_state(address, browser, tmp_path):
    browser.get(f"{address}/dashboard/studies/1/trials")
    text = words(browser, "Trial 0", "Trial 15")
    browser.save_screenshot(str(tmp_path / "trials.png"))
    assert "Complete" in text
