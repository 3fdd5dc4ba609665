"""The manifests: valid for Kubernetes, complete, tight, and in keeping with the options that name them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from kubeflow.options import KubeflowOptions
from pipeline.config import load_config

MANIFESTS = Path(__file__).parents[2] / "kubeflow" / "manifests"
KUSTOMIZATIONS = sorted(MANIFESTS.glob("*/kustomization.yaml"))
CUSTOM = {"serving.kserve.io", "kustomize.config.k8s.io"}
KUBERNETES_VERSIONS = ["1.28.0", "1.34.0"]
FILES = sorted(set(MANIFESTS.rglob("*.yaml")) - set(KUSTOMIZATIONS))


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text()))


def everything() -> list[dict[str, Any]]:
    return [document for file in FILES for document in documents(file)]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [document for document in everything() if document["kind"] == kind]


def names(kind: str) -> set[str]:
    return {document["metadata"]["name"] for document in of_kind(kind)}


def pod_specs() -> list[dict[str, Any]]:
    jobs = [d["spec"]["jobTemplate"]["spec"]["template"]["spec"] for d in of_kind("CronJob")]
    return [
        *(d["spec"] for d in of_kind("Pod")),
        *(d["spec"]["template"]["spec"] for d in of_kind("Deployment")),
        *jobs,
    ]


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}/{f.name}")
def test_kubernetes_would_take_it(file: Path, version: str) -> None:
    for document in documents(file):
        if document["apiVersion"].split("/")[0] not in CUSTOM:
            kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("kustomization", KUSTOMIZATIONS, ids=lambda f: f.parent.name)
def test_every_resource_that_is_named_is_there(kustomization: Path) -> None:
    (content,) = documents(kustomization)
    named = {kustomization.parent / resource for resource in content["resources"]}
    assert all(path.is_file() for path in named)
    alone = {MANIFESTS / "base" / "loader.yaml"}  # applied by hand
    assert named == set(kustomization.parent.glob("*.yaml")) - {kustomization} - alone


@pytest.mark.parametrize("kustomization", KUSTOMIZATIONS, ids=lambda f: f.parent.name)
def test_kustomize_builds_it(kustomization: Path) -> None:
    if not shutil.which("kubectl"):
        pytest.skip("kubectl, which has kustomize inside, is not installed")
    done = subprocess.run(
        ["kubectl", "kustomize", str(kustomization.parent)], capture_output=True, text=True, check=False
    )
    if done.returncode and "kustomization" not in done.stderr:
        pytest.skip(f"kubectl cannot run here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    for document in built:
        if document["apiVersion"].split("/")[0] not in CUSTOM:
            kubernetes_validate.validate(document, KUBERNETES_VERSIONS[-1], strict=True)
    assert all(document["metadata"]["namespace"] == "kubeflow" for document in built)


def test_what_the_options_name_is_there() -> None:
    options = KubeflowOptions()
    assert set(options.volumes) <= names("PersistentVolumeClaim")
    assert options.service_account in names("ServiceAccount")
    claims = {
        volume["persistentVolumeClaim"]["claimName"]
        for spec in pod_specs()
        for volume in spec.get("volumes", [])
        if "persistentVolumeClaim" in volume
    }
    assert claims <= names("PersistentVolumeClaim")


def test_the_model_server_reads_where_the_pusher_writes() -> None:
    config = yaml.safe_load((MANIFESTS.parent / "config.yaml").read_text())
    mount = {path: claim for claim, path in KubeflowOptions().volumes.items()}
    models = Path(config["workspace"]) / "models"
    claim = next(claim for path, claim in mount.items() if models.is_relative_to(path))
    inside = models.relative_to(next(path for path, c in mount.items() if c == claim))
    (service,) = of_kind("InferenceService")
    assert service["apiVersion"] == "serving.kserve.io/v1beta1"
    assert service["spec"]["predictor"]["model"]["storageUri"] == f"pvc://{claim}/{inside}"
    assert service["spec"]["predictor"]["serviceAccountName"] in names("ServiceAccount")


def test_what_kserve_hands_on_to_kubernetes_is_a_pod() -> None:
    """KServe's own fields aside, a predictor is a pod and its model a container of it."""
    (service,) = of_kind("InferenceService")
    assert set(service["spec"]) == {"predictor"}
    predictor = dict(service["spec"]["predictor"])
    model = dict(predictor.pop("model"))
    assert 1 <= predictor.pop("minReplicas") <= predictor.pop("maxReplicas")
    assert model.pop("modelFormat") == {"name": "tensorflow"}
    assert model.pop("storageUri")
    containers = [{"name": "model", "image": "server", **model}]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "model"}}
    kubernetes_validate.validate(
        {**pod, "spec": {**predictor, "containers": containers}}, KUBERNETES_VERSIONS[-1], strict=True
    )


def test_rights_are_named_one_by_one() -> None:
    for role in of_kind("Role"):
        for rule in role["rules"]:
            assert "*" not in [*rule["verbs"], *rule["resources"], *rule["apiGroups"]]
            assert "secrets" not in rule["resources"] or rule["resourceNames"]
    assert not names("ClusterRole")
    bound = {b["roleRef"]["name"] for b in of_kind("RoleBinding")}
    assert bound == names("Role")


def test_no_pod_runs_as_root_or_without_limits() -> None:
    assert pod_specs()
    for spec in pod_specs():
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["automountServiceAccountToken"] is False
        for container in spec["containers"]:
            user = container["securityContext"].get("runAsUser", spec["securityContext"].get("runAsUser"))
            assert user
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert {"cpu", "memory"} <= set(container["resources"]["limits"])


def test_our_image_runs_on_a_read_only_root_with_a_place_for_temporary_files() -> None:
    containers = [(spec, container) for spec in pod_specs() for container in spec["containers"]]
    ours = [(spec, c) for spec, c in containers if re.search(r"/nsynth[:@]", c["image"])]
    assert len(ours) == 3
    for spec, container in ours:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        (name,) = [mount["name"] for mount in container["volumeMounts"] if mount["mountPath"] == "/tmp"]
        assert {"name": name, "emptyDir": {}} in spec["volumes"]


def test_the_nightly_settings_are_settings(tmp_path: Path) -> None:
    (settings,) = of_kind("ConfigMap")
    (tmp_path / "nightly.yaml").write_text(settings["data"]["nightly.yaml"])
    config = load_config(tmp_path / "nightly.yaml")
    (spec,) = [spec for spec in pod_specs() if spec["containers"][0]["name"] == "retrain"]
    mounts = {mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
    assert {str(config.workspace), str(config.retrain.spans), "/config"} <= mounts


def test_selectors_meet_their_pods() -> None:
    pods = [d["spec"]["template"]["metadata"]["labels"] for d in of_kind("Deployment")]
    for deployment in of_kind("Deployment"):
        wanted = deployment["spec"]["selector"]["matchLabels"].items()
        assert wanted <= deployment["spec"]["template"]["metadata"]["labels"].items()
    for service in of_kind("Service"):
        assert any(service["spec"]["selector"].items() <= labels.items() for labels in pods)


def test_steps_are_closed_to_all() -> None:
    (policy,) = [p for p in of_kind("NetworkPolicy") if p["metadata"]["name"] == "nsynth-steps"]
    assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert "ingress" not in policy["spec"]
