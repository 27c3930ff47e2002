"""What costs money: refused without a budget, ended by one."""

import pytest
from locusts import Locust

pytestmark = pytest.mark.e2e

PAID = "wss://192.88.99.9"  # an address that was given back: nobody's


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), f"{PAID}:443 costs money: say how much by --max-cost USD"),
        (("--max-cost", "1", "--model", "own"), "--max-cost: model 'own' is unpriced"),
    ],
)
def test_a_paid_host_is_refused_before_dialling(folder, arguments, said):
    with Locust(folder, "--headless", "-u", 1, "--host", PAID, *arguments) as locust:
        assert locust.wait(8) == 2, locust.text

        (line,) = [line for line in locust.text.splitlines() if said in line]
        assert line.startswith("realtime-harness: ")
        assert "Traceback" not in locust.text
        assert not (folder / "runs" / "latest").exists()
