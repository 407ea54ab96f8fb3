"""The demo city, live: reports come in by their channels, people handle them, the terminal shows it."""
