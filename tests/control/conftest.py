import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))

from control_worker import ControlWorker  # noqa: E402
from fake_portal import Listener  # noqa: E402


@pytest.fixture
def listener():
    one = Listener()
    yield one
    one.close()


@pytest.fixture
def start(tmp_path):
    workers = []

    def run(api_url, folder=tmp_path, **options):
        w = ControlWorker(folder, api_url, **options)
        workers.append(w)
        return w

    yield run
    for w in workers:
        w.stop()
