"""Plain rows in a process that has used nothing else of SQLAlchemy yet."""

import subprocess
import sys

_SCRIPT = """
from app.core.set_writes import plain_row
from app.events.clock_tables import ClockDue
print(plain_row(ClockDue, generation=3).generation)
"""


def test_a_row_can_be_read_in_a_fresh_process() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    assert (done.returncode, done.stdout.strip()) == (0, "3"), done.stderr[-500:]
