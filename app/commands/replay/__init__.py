"""A real district, replayed: its taxonomy, its units, and what was really decided."""
