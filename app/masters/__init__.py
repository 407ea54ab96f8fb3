"""Masters 基础数据: read from files, checked, published as releases, kept in memory for those who decide."""

from app.masters.cache import MastersCache
from app.masters.masters import Masters
from app.masters.policies import Policies

__all__ = ["Masters", "MastersCache", "Policies"]
