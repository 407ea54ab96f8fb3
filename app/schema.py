"""All tables of all packages, for migrations."""

import app.accounts.tables
import app.core.tables
import app.events.clock_tables
import app.events.dispute_tables
import app.events.experience_tables
import app.events.report_tables
import app.events.tables
import app.events.timeline_tables
import app.intake.tables
import app.items.tables  # noqa: F401 - importing a module registers its tables
from app.core.database import Base

metadata = Base.metadata
