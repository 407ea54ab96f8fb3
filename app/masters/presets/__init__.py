"""Sets of limits as some cities publish them, to be loaded as they are: ``bihuan load policies shanghai``."""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
