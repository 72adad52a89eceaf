"""Where the processes that a test starts find the product."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHONPATH = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))  # what tests.at put there stays
