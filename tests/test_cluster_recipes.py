"""The recipes of ``cluster/``: their commands, their files against their schemas."""

from __future__ import annotations

import json
import re
import shutil
import stat
from importlib.util import find_spec
from pathlib import Path

import dask
import numpy as np
import pytest
import yaml
from distributed import Security

import dlogreg
from tests.recipes import CLUSTER, Place, blocks

COMPOSE = CLUSTER / "compose" / "compose.yaml"
KUBERNETES = sorted((CLUSTER / "kubernetes").glob("*.yaml"))
OPERATOR = "operator/deployment/helm/dask-kubernetes-operator/crds/daskcluster.yaml"
ROLES = ("scheduler", "worker", "client")
needs_openssl = pytest.mark.skipif(
    not (shutil.which("openssl") and shutil.which("bash")), reason="needs openssl, bash"
)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_every_block_is_run_or_checked():
    text = (CLUSTER / "README.md").read_text()
    assert text.count("```sh") == len(blocks())
    folders = {path.name for path in CLUSTER.iterdir() if path.is_dir()}
    assert folders - {"image"} <= set(blocks())


def test_scripts_can_be_run():
    for path in CLUSTER.rglob("*"):
        if path.is_file() and path.read_bytes().startswith(b"#!"):
            assert path.stat().st_mode & stat.S_IXUSR, path


def understood(config):
    """Return the certificates that dask finds in a configuration."""
    with dask.config.set(dict(flat(config))):
        return Security()


def flat(config, prefix=""):
    for key, value in config.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


@needs_openssl
def test_certificates(place):
    place.run(blocks()["certificates"])
    made = place.folder / "certificates"
    assert {p.stem for p in made.glob("*.key")} == {
        *("ca", "client", "worker-1", "worker-2", "192.0.2.7")
    }
    security = understood(yaml.safe_load((made / "dask.yaml").read_text()))
    assert security.require_encryption
    for name in ("tls_ca_file", "tls_client_cert", "tls_client_key"):
        assert Path(getattr(security, name)).parent == made


@pytest.mark.slow
@pytest.mark.cluster
def test_local(place):
    shown = " ".join(place.run(blocks()["local"]).split())
    assert "2 with 2 threads on 1 hosts" in shown
    assert "1.00 GiB each; target 60%" in shown
    assert "off, on loopback alone" in shown
    there = dlogreg.load(place.model)
    assert_same_fit(place, there)


def assert_same_fit(place, there):
    """Compare with a fit of this process, bit for bit."""
    here = dlogreg.fit(*opened(place.store), progress=False)
    np.testing.assert_array_equal(np.asarray(there.params), np.asarray(here.params))
    np.testing.assert_array_equal(np.asarray(there.bse), np.asarray(here.bse))


def opened(store):
    import zarr

    group = zarr.open_group(store, mode="r")
    return group["X"], group["y"]


def documents(path):
    return [d for d in yaml.safe_load_all(path.read_text()) if d]


def by_kind():
    return {d["kind"]: d for path in KUBERNETES for d in documents(path)}


@needs_openssl
def test_the_kubernetes_commands(place):
    """With kubectl and docker replaced by commands that look for the files."""
    check_files = """
for word; do case $word in
    --from-file=*) test -s "${word#*=}" ;;
    *.yaml) test -s "$word" ;;
esac || exit 9; done
echo "kubectl $*\""""
    place.command("kubectl", check_files)
    place.command("docker", 'test -s cluster/image/constraints.txt && echo "docker $*"')
    shown = place.run(blocks()["kubernetes"])
    assert shown.count("--from-file") == 7
    assert "--tag dlogreg:0.1.0" in shown
    constraints = (place.folder / "cluster/image/constraints.txt").read_text().split()
    assert f"numpy=={np.__version__}" in constraints
    assert not any(line.startswith("dlogreg") for line in constraints)


@needs_openssl
def test_the_compose_commands(place):
    place.command("docker", 'echo "docker $*"; echo "$DLOGREG_USER $DATA" >>said')
    shown = place.run(blocks()["compose"])
    assert "run --rm client dlogreg fit s3://data/trips.zarr --model" in shown
    assert (place.folder / "said").read_text().split()[1] == str(place.store.parent)
    compose = yaml.safe_load(COMPOSE.read_text())
    text = COMPOSE.read_text()
    for name in re.findall(r"CERTIFICATES:-./certificates}/([\w.]+):", text):
        assert (place.folder / "cluster/compose/certificates" / name).is_file()
    assert set(compose["services"]) == {"store", "scheduler", "worker", "client"}


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.name)
def test_kubernetes_schemas(path):
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for document in documents(path):
        if document["kind"] != "DaskCluster":
            kubernetes_validate.validate(document, "1.31", strict=True)


def test_the_dask_cluster_schema():
    jsonschema = pytest.importorskip("jsonschema")
    spec = find_spec("dask_kubernetes")
    if spec is None:
        pytest.skip("needs dask-kubernetes, which ships the schema")
    (root,) = spec.submodule_search_locations
    definition = yaml.safe_load((Path(root) / OPERATOR).read_text())
    (version,) = definition["spec"]["versions"]
    schema = closed(version["schema"]["openAPIV3Schema"])
    cluster = by_kind()["DaskCluster"]
    group = definition["spec"]["group"]
    assert cluster["apiVersion"] == f"{group}/{version['name']}"
    jsonschema.validate(cluster, schema)
    cluster["spec"]["worker"]["spec"]["containers"][0]["argz"] = []
    with pytest.raises(jsonschema.ValidationError, match="argz"):
        jsonschema.validate(cluster, schema)


def closed(schema, name=""):
    """Refuse what a schema does not name, as the server would drop it."""
    if not isinstance(schema, dict):
        return schema
    inner = {key: value for key, value in schema.items() if key != "properties"}
    if "items" in schema:
        inner["items"] = closed(schema["items"], "item")
    if "properties" in schema:
        found = schema["properties"].items()
        inner["properties"] = {key: closed(value, key) for key, value in found}
        free = "x-kubernetes-preserve-unknown-fields" in schema or name in (
            "",
            "metadata",
        )
        if not free and "additionalProperties" not in schema:
            inner["additionalProperties"] = False
    return inner


def test_the_compose_schema():
    checks = pytest.importorskip("check_jsonschema")
    arguments = ["--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    from click.testing import CliRunner

    done = CliRunner().invoke(checks.main, arguments)
    assert done.exit_code == 0, done.output


def test_containers_of_compose():
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    for name, service in services.items():
        assert "ports" not in service, "nothing is published"
        assert service["cap_drop"] == ["ALL"]
        assert "mem_limit" in service
        assert service["image"].rpartition(":")[2] not in ("", "latest"), name
        if name != "store":
            check_security(service["environment"])
    assert services["scheduler"]["command"][-1] == "127.0.0.1:8787"
    assert "--dashboard-address=127.0.0.1:8787" in services["worker"]["command"]
    tag = services["scheduler"]["image"].rpartition("-")[2].rstrip("}")
    assert tag == f"dlogreg:{dlogreg.__version__}"


def check_security(environment):
    """Check that dask understands variables as certificates of all roles."""
    security = understood(dask.config.collect_env(environment))
    assert security.require_encryption
    assert security.tls_ca_file == "/tls/ca.pem"
    for role in ROLES:
        assert getattr(security, f"tls_{role}_cert") == "/tls/node.pem"
        assert getattr(security, f"tls_{role}_key") == "/tls/node.key"


def test_pods():
    kinds = by_kind()
    config = yaml.safe_load(kinds["ConfigMap"]["data"]["dask.yaml"])
    security = understood(config)
    assert security.require_encryption
    cluster = kinds["DaskCluster"]["spec"]
    pods = {
        "worker": cluster["worker"]["spec"],
        "scheduler": cluster["scheduler"]["spec"],
        "client": kinds["Job"]["spec"]["template"]["spec"],
    }
    for role, pod in pods.items():
        (container,) = pod["containers"]
        assert container["image"] == f"dlogreg:{dlogreg.__version__}"
        assert {"requests", "limits"} <= set(container["resources"])
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        (secret,) = (v["secret"] for v in pod["volumes"] if "secret" in v)
        files = {f"/tls/{item['path']}" for item in secret["items"]}
        assert files == {
            security.tls_ca_file,
            getattr(security, f"tls_{role}_cert"),
            getattr(security, f"tls_{role}_key"),
        }
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
        if role != "client":
            assert "--dashboard-address=127.0.0.1:8787" in container["args"]
            assert {"livenessProbe", "readinessProbe"} <= set(container)


def test_network_policies():
    """Every port that is listened at is open, to those alone who need it."""
    policies = {
        d["metadata"]["name"]: d["spec"]
        for d in documents(CLUSTER / "kubernetes" / "network.yaml")
    }
    cluster = by_kind()["DaskCluster"]["spec"]
    (worker,) = cluster["worker"]["spec"]["containers"]
    listened = {port["containerPort"] for port in worker["ports"]}
    assert listened == opened_ports(policies["dlogreg-workers"], "ingress")
    assert {f"--worker-port={min(listened)}", f"--nanny-port={max(listened)}"} <= set(
        worker["args"]
    )
    assert opened_ports(policies["dlogreg-scheduler"], "ingress") == {8786}
    assert opened_ports(policies["dlogreg-scheduler"], "egress") == listened | {53}
    assert opened_ports(policies["dlogreg-workers"], "egress") == listened | {8786, 53}
    assert opened_ports(policies["dlogreg-fit"], "egress") == {8786, 53}
    assert "ingress" not in policies["dlogreg-fit"]
    for policy in policies.values():
        assert policy["policyTypes"] == ["Ingress", "Egress"]


def opened_ports(policy, way):
    return {port["port"] for rule in policy[way] for port in rule["ports"]}


def test_the_image():
    lines = (CLUSTER / "image" / "Dockerfile").read_text().splitlines()
    assert "ARG PYTHON=3.11.7" in lines
    (base,) = (line for line in lines if line.startswith("FROM"))
    assert base == "FROM python:${PYTHON}-slim-bookworm"
    users = [line for line in lines if line.startswith("USER")]
    assert users == ["USER 10001:10001"]
    root = CLUSTER.parent
    for line in lines:
        if line.startswith("COPY"):
            for name in line.split()[1:-1]:
                assert name.endswith("constraints.txt") or (root / name).exists()


def test_the_object_store_upload(tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("s3fs")
    memory = fsspec.filesystem("memory")
    import runpy

    import s3fs

    monkeypatch.setattr(s3fs, "S3FileSystem", lambda: memory)
    (tmp_path / "t.zarr" / "X").mkdir(parents=True)
    (tmp_path / "t.zarr" / "zarr.json").write_text(json.dumps({"a": 1}))
    (tmp_path / "t.zarr" / "X" / "c").write_bytes(b"12")
    upload = runpy.run_path(str(CLUSTER / "compose" / "upload.py"))["upload"]
    assert upload(tmp_path / "t.zarr", "data") == "s3://data/t.zarr"
    assert memory.cat("data/t.zarr/X/c") == b"12"
