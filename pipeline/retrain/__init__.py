"""Retraining unattended: rounds over spans of data, their ledger, lock, schedule, hooks and housekeeping."""
