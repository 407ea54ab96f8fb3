"""Drills: processes are killed and requests meet each other, then the books are checked."""
