"""The demo city's master files and reports; README.md says what in them is fact and what is ours."""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
