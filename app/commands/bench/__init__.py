"""Measurements on this machine, each beside what PostgreSQL alone does in the same run."""
