"""Names of the transformed features: what the Trainer reads. Imports nothing heavy."""

LOG_MEL = "log_mel"  # float32 [frames, n_mels], zero mean and unit deviation per mel bin over the train split
FAMILY_ID = "family_id"  # int64, index into nsynth.FAMILIES; the label
SOURCE_ID = "source_id"  # int64, index into nsynth.SOURCES
INSTRUMENT = "instrument_str"  # bytes
NOTE = "note_str"  # bytes
PITCH = "pitch"  # int64, MIDI note number
VELOCITY = "velocity"  # int64, MIDI velocity

INT_FEATURES = (FAMILY_ID, SOURCE_ID, PITCH, VELOCITY)
BYTES_FEATURES = (INSTRUMENT, NOTE)
