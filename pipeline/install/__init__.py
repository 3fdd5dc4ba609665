"""Sets up an environment for this project: `python -m pipeline.install DIR`, in a checkout or out of the wheel.

Standard library only, for every Python from 3.8 on: it runs before anything else is installed.
"""
