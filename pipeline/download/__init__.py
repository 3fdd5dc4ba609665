"""Fetches NSynth from its official server: a sample of records, or whole files."""
