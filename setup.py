"""Packages, direct dependencies and the `nsynth` command. Exact versions live in requirements.lock."""

from setuptools import find_packages, setup

setup(
    name="nsynth-tfx",
    version="0.1.0",
    description="A production TFX pipeline that tells instrument families apart in NSynth notes",
    python_requires=">=3.11,<3.12",
    packages=find_packages(include=["pipeline*", "components*", "transform*", "trainer*", "kubeflow*", "corpus*"]),
    py_modules=["nsynth"],
    install_requires=[
        "tfx>=1.21,<1.22",
        "tensorflow>=2.21,<2.22",
        "tensorflow-transform>=1.21,<1.22",
        "tensorflow-model-analysis>=0.52,<0.53",
        "tensorflow-data-validation>=1.21,<1.22",
        "apache-beam>=2.77,<2.78",
        "keras>=3.15,<4",
        "numpy",
        "click>=8",
        "filelock>=3.12",
        "psutil>=5.9",
        "pydantic>=2.6,<3",
        "PyYAML>=6",
        "rich>=13",
        "soundfile>=0.12",
        "soxr>=0.4",
    ],
    extras_require={
        "corpus": ["pretty_midi>=0.2.11,<0.3", "tinysoundfont>=0.3.7,<0.4"],
        "kubeflow": ["tfx[kfp]>=1.21,<1.22", "kfp>=2.16,<2.17"],
        "report": ["altair>=5.5", "vl-convert-python>=1.7", "matplotlib>=3.8", "Jinja2>=3.1"],
        "schedule": ["APScheduler>=3.10,<4"],
        "tune": ["keras-tuner>=1.4,<2"],
        "dev": [
            "build", "hypothesis", "kubernetes-validate", "librosa", "mypy", "pandas-stubs", "psycopg2-binary",
            "pymysql", "pytest", "pytest-timeout", "ruff", "scikit-learn", "selenium", "setuptools",
            "types-PyYAML", "types-protobuf", "types-psutil", "wheel", "tensorboard>=2.20,<2.22", "py-spy",
        ],
    },
    entry_points={"console_scripts": ["nsynth = pipeline.cli:main"]},
)
