"""Serves the champion over HTTP: TensorFlow Serving's REST API, and a page to try it."""
