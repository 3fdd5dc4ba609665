"""Renders the demo corpus: NSynth's format, General-MIDI SoundFonts as instruments."""
