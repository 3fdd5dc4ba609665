"""The manifests: valid for Kubernetes, complete, tight, and in keeping with the options that name them."""

import functools
import ipaddress
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kfp.kubernetes import kubernetes_executor_config_pb2

from kubeflow.options import KubeflowOptions
from pipeline.config import load_config

MANIFESTS = Path(__file__).parents[2] / "kubeflow" / "manifests"
IMAGES = MANIFESTS / "images" / "kustomization.yaml"
"""The one place for images: a component of the kustomizations with pods."""
KUSTOMIZATIONS = sorted(set(MANIFESTS.rglob("kustomization.yaml")) - {IMAGES})
CUSTOM = {"serving.kserve.io", "kustomize.config.k8s.io"}
KUBERNETES_VERSIONS = ["1.28.0", "1.34.0"]
FILES = sorted(set(MANIFESTS.rglob("*.yaml")) - {*KUSTOMIZATIONS, IMAGES})


@functools.cache
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
        *(d["spec"]["template"]["spec"] for kind in ("Deployment", "Job") for d in of_kind(kind)),
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
    folders = {path for path in named if (path / "kustomization.yaml").is_file()}
    named -= folders
    assert all(path.is_file() for path in named)
    alone = {MANIFESTS / "base" / "loader.yaml"}  # applied by hand
    assert named == set(kustomization.parent.glob("*.yaml")) - {kustomization} - alone


def build(folder: Path) -> list[dict[str, Any]]:
    """What `kubectl apply -k` would apply."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl, which has kustomize inside, is not installed")
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode and "kustomization" not in done.stderr:
        pytest.skip(f"kubectl cannot run here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize("kustomization", KUSTOMIZATIONS, ids=lambda f: f.parent.name)
def test_kustomize_builds_it(kustomization: Path) -> None:
    built = build(kustomization.parent)
    for document in built:
        if document["apiVersion"].split("/")[0] not in CUSTOM:
            kubernetes_validate.validate(document, KUBERNETES_VERSIONS[-1], strict=True)
        if document["kind"] != "PersistentVolume":  # they belong to no namespace
            assert document["metadata"]["namespace"] == "kubeflow"


def images(value: Any) -> set[str]:
    """Every image that is named anywhere in a document."""
    if isinstance(value, list):
        return {image for item in value for image in images(item)}
    if isinstance(value, dict):
        own = {value["image"]} if isinstance(value.get("image"), str) else set()
        return own.union(*(images(item) for item in value.values()))
    return set()


def test_all_images_are_pinned_to_digests_in_one_place(tmp_path: Path) -> None:
    shutil.copytree(MANIFESTS, tmp_path / "manifests")
    place = tmp_path / "manifests" / "images" / "kustomization.yaml"
    digest = f"sha256:{'0' * 64}"
    place.write_text(re.sub(r"newTag: \S+", f"digest: {digest}", place.read_text()))
    for name in ("flink", "flink-run", "retrain"):
        found = images(build(tmp_path / "manifests" / name))
        assert found
        assert all(image.endswith(f"@{digest}") for image in found), found


def test_an_overlay_for_one_node_and_one_for_nfs() -> None:
    modes = {
        overlay: {
            document["metadata"]["name"]: document["spec"]
            for document in build(MANIFESTS / "overlays" / overlay)
            if document["kind"] == "PersistentVolumeClaim"
        }
        for overlay in ("one-node", "nfs")
    }
    assert modes["one-node"].keys() == modes["nfs"].keys() == {"nsynth-data", "nsynth-models"}
    assert all(spec["accessModes"] == ["ReadWriteOnce"] for spec in modes["one-node"].values())
    volumes = {d["metadata"]["name"]: d["spec"] for d in of_kind("PersistentVolume")}
    for name, spec in modes["nfs"].items():
        assert spec["accessModes"] == volumes[name]["accessModes"] == ["ReadWriteMany"]
        assert (spec["volumeName"], spec["storageClassName"]) == (name, "")
        assert spec["resources"]["requests"] == volumes[name]["capacity"]


def test_pods_call_only_what_is_named() -> None:
    """Every rule says whom; another object store is named by the overlay for S3."""
    for policy in of_kind("NetworkPolicy"):
        assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        assert all(rule["to"] for rule in policy["spec"]["egress"])
    rules = {
        folder: next(d for d in build(MANIFESTS / folder) if d["metadata"]["name"] == "nsynth-steps")["spec"][
            "egress"
        ]
        for folder in ("base", "overlays/s3")
    }
    assert all(rule["to"] and rule["ports"] for egress in rules.values() for rule in egress)
    assert rules["overlays/s3"][:-1] == rules["base"]
    blocks = [to["ipBlock"]["cidr"] for rule in rules["base"] for to in rule["to"] if "ipBlock" in to]
    assert blocks
    assert all(ipaddress.ip_network(block).is_private for block in blocks)


def test_only_flink_reaches_the_port_that_runs_any_code() -> None:
    (policy,) = [p for p in of_kind("NetworkPolicy") if p["metadata"]["name"] == "nsynth-flink"]
    open_to = [
        rule["from"] for rule in policy["spec"]["ingress"]
        if 8081 in [port["port"] for port in rule.get("ports", [{"port": 8081}])]
    ]  # fmt: skip
    assert open_to == [[{"podSelector": {"matchLabels": {"app": "flink"}}}]]
    assert all(service["spec"].get("type", "ClusterIP") == "ClusterIP" for service in of_kind("Service"))
    assert "Ingress" not in {document["kind"] for document in everything()}


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


def test_the_model_server_runs_as_the_other_pods_do() -> None:
    (service,) = of_kind("InferenceService")
    predictor = service["spec"]["predictor"]
    context = predictor["model"]["securityContext"]
    assert context["runAsNonRoot"]
    assert context["readOnlyRootFilesystem"]
    assert context["allowPrivilegeEscalation"] is False
    assert {"name": "tmp", "mountPath": "/tmp"} in predictor["model"]["volumeMounts"]
    assert {"name": "tmp", "emptyDir": {}} in predictor["volumes"]


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
        for container in (*spec["containers"], *spec.get("initContainers", [])):
            user = container["securityContext"].get("runAsUser", spec["securityContext"].get("runAsUser"))
            assert user
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert {"cpu", "memory"} <= set(container["resources"]["limits"])


def test_every_root_is_read_only_and_has_a_place_for_temporary_files() -> None:
    for spec in pod_specs():
        for container in (*spec["containers"], *spec.get("initContainers", [])):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
        for container in spec["containers"]:
            (name,) = [mount["name"] for mount in container["volumeMounts"] if mount["mountPath"] == "/tmp"]
            assert {"name": name, "emptyDir": {}} in spec["volumes"]


def test_steps_cannot_have_a_read_only_root_yet() -> None:
    """All that Kubeflow's platform configuration can say of a step's security; a new field is to be used."""
    fields = kubernetes_executor_config_pb2.SecurityContext.DESCRIPTOR.fields_by_name
    assert set(fields) == {"run_as_user", "run_as_group", "run_as_non_root"}


def test_the_nightly_settings_are_settings(tmp_path: Path) -> None:
    (settings,) = [s for s in of_kind("ConfigMap") if s["metadata"]["name"] == "nsynth-nightly"]
    (tmp_path / "nightly.yaml").write_text(settings["data"]["nightly.yaml"])
    config = load_config(tmp_path / "nightly.yaml")
    (spec,) = [spec for spec in pod_specs() if spec["containers"][0]["name"] == "retrain"]
    mounts = {mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
    assert {str(config.workspace), str(config.retrain.spans), "/config"} <= mounts


def test_the_run_on_flink_sees_what_flink_s_workers_see(tmp_path: Path) -> None:
    (settings,) = [s for s in of_kind("ConfigMap") if s["metadata"]["name"] == "nsynth-on-flink"]
    (tmp_path / "run.yaml").write_text(settings["data"]["run.yaml"])
    config = load_config(tmp_path / "run.yaml")
    assert config.engine.runner == "flink"
    assert config.engine.flink.job_endpoint == "beam-job-server:8099"
    (job,) = of_kind("Job")
    (run,) = job["spec"]["template"]["spec"]["containers"]
    (workers,) = [c for spec in pod_specs() for c in spec["containers"] if c["name"] == "beam-workers"]
    assert config.engine.flink.workers.pool == f"localhost:{workers['command'][-1].partition('=')[2]}"
    (starter,) = [word for word in workers["command"] if word.startswith("--container_executable=")]
    assert os.access(MANIFESTS.parents[1] / starter.partition("/site-packages/")[2], os.X_OK)
    places = {mount["mountPath"] for mount in workers["volumeMounts"]} & {
        m["mountPath"] for m in run["volumeMounts"]
    }
    for path in (config.workspace, Path(config.input_base)):
        assert any(path.is_relative_to(place) for place in places - {"/tmp"})


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
