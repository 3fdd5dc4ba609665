"""Drift: how far a new span lies from those before it, in its sounds and in the eyes of the champion."""
