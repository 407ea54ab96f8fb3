"""The embedded PostgreSQL: a server of our own that lives as long as some process holds a lease on it.

``lease`` is all that most callers need. A detached supervisor (``supervisor.py``) owns the server; processes
only hold shared locks on a file in the data folder, so that ``kill -9`` of any of them leaves nothing to
clean up. DESIGN.md §8 decides this, MEASURED.md "Embedded PostgreSQL" says what was tried.
"""

from app.core.postgres.errors import PostgresUnavailable
from app.core.postgres.folders import default_data_dir
from app.core.postgres.lifecycle import Lease, bin_dir, lease, stop
from app.core.postgres.server import APP_ROLE

__all__ = ["APP_ROLE", "Lease", "PostgresUnavailable", "bin_dir", "default_data_dir", "lease", "stop"]
