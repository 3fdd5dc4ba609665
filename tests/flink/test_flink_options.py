"""Every setting of Flink that the manifests and the tools name is one of Flink's own options."""

import re
import zipfile
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def settings() -> dict[str, str]:
    """Key → the file that names it."""
    named = {}
    for file in sorted((ROOT / "kubeflow" / "manifests" / "flink").glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            if document["kind"] != "Deployment":
                continue
            for container in document["spec"]["template"]["spec"]["containers"]:
                for variable in container.get("env", []):
                    named |= dict.fromkeys(yaml.safe_load(variable["value"]), str(file))
    conf, session = ROOT / "tools/flink/conf/flink-conf.yaml", ROOT / "tools/flink/session"
    named |= dict.fromkeys(yaml.safe_load(conf.read_text()), str(conf))
    return named | dict.fromkeys(re.findall(r"-D \"?([\w.-]+)=", session.read_text()), str(session))


def test_flink_knows_every_setting(jars: str) -> None:
    options = b""
    for name in ("flink-core", "flink-runtime"):
        (jar,) = Path(jars).glob(f"{name}-[0-9]*.jar")
        with zipfile.ZipFile(jar) as archive:
            options += b"".join(archive.read(n) for n in archive.namelist() if n.endswith("Options.class"))
    named = settings()
    assert len(named) > 20
    # A class keeps a text with its length before it: a part of a longer key does not count.
    unknown = {
        key: file for key, file in named.items() if len(key).to_bytes(2, "big") + key.encode() not in options
    }
    assert not unknown
