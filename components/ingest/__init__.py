"""Ingest: NSynth in any of its forms in, validated and truly shuffled shards of tf.Examples out."""
