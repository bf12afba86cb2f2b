# SPDX-License-Identifier: Apache-2.0
"""The image and the example for Kubernetes fit each other, and networker."""

from __future__ import annotations

import pathlib
import re
import shlex
from typing import Any

import kubernetes_validate
import pytest
import yaml

from networker import conf as options
from networker import listening, strict
from networker.cli import Networker
from networker.drivers.neutron.api import options as neutron
from networker.endpoint import Pages

ROOT = pathlib.Path(__file__).parents[2]
OBJECTS = {
    each["kind"]: each
    for each in yaml.safe_load_all((ROOT / "etc/kubernetes/networker.yaml").read_text())
}
POD = OBJECTS["Deployment"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
IMAGE = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
#: What a container sees that nobody has to name.
HERE = "/etc/networker"


def instructions(word: str) -> list[str]:
    """Return what is given to an instruction of the last stage."""
    final = IMAGE.rpartition("\nFROM ")[2]
    return re.findall(rf"^{word} (.*)$", final, re.MULTILINE)


@pytest.mark.parametrize("kind", OBJECTS)
def test_kubernetes_accepts_it(kind):
    """No field is misspelt or has a wrong type, in the oldest and the newest release."""
    for release in ("1.30", "1.33"):
        kubernetes_validate.validate(OBJECTS[kind], release, strict=True)


def test_objects_find_each_other():
    """Selectors have the pods, and volumes exist."""
    labels = OBJECTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    budget = OBJECTS["PodDisruptionBudget"]["spec"]
    selectors = [OBJECTS["Deployment"]["spec"]["selector"], budget["selector"]]
    selectors += [each["labelSelector"] for each in POD["topologySpreadConstraints"]]
    assert all(each["matchLabels"] == labels for each in selectors)
    assert budget["minAvailable"] < OBJECTS["Deployment"]["spec"]["replicas"]
    volumes = {each["name"]: each for each in POD["volumes"]}
    assert {each["name"] for each in CONTAINER["volumeMounts"]} == set(volumes)
    assert volumes["configuration"]["configMap"]["name"] == name_of("ConfigMap")
    assert volumes["secrets"]["secret"]["secretName"] == name_of("Secret")


def name_of(kind: str) -> Any:
    return OBJECTS[kind]["metadata"]["name"]


def test_its_configuration_is_one(tmp_path):
    """Every option is known, and what is in the image is found there."""
    mounts = {each["name"]: each["mountPath"] for each in CONTAINER["volumeMounts"]}
    assert mounts["configuration"] == f"{HERE}/networker.conf"
    assert mounts["secrets"] == f"{HERE}/networker.conf.d"
    folder = tmp_path / "networker.conf.d"
    folder.mkdir()
    main = tmp_path / "networker.conf"
    main.write_text(OBJECTS["ConfigMap"]["data"]["networker.conf"])
    for name, text in OBJECTS["Secret"]["stringData"].items():
        (folder / name).write_text(text)
    conf = options.load(["--config-file", str(main), "--config-dir", str(folder)])
    assert strict.unknown(conf) == []
    assert conf.transport_url.startswith("rabbit://networker:")
    clouds = yaml.safe_load((folder / "clouds.yaml").read_text())["clouds"]
    for group, opts in neutron.list_opts():
        conf.register_opts(opts, getattr(group, "name", group))
    assert conf.neutron.cloud in clouds
    (variable,) = CONTAINER["env"]
    assert variable == {
        "name": "OS_CLIENT_CONFIG_FILE",
        "value": f"{mounts['secrets']}/clouds.yaml",
    }
    timeout = int(re.findall(r"graceful_shutdown_timeout = (\d+)", main.read_text())[0])
    assert POD["terminationGracePeriodSeconds"] > timeout


def test_it_is_nobody_and_writes_nowhere():
    """The image's user is that of the pods, and only two directories can be written."""
    (user,) = instructions("USER")
    security = POD["securityContext"]
    assert user == f"{security['runAsUser']}:{security['runAsGroup']}"
    assert security["runAsNonRoot"]
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    empty = {each["name"] for each in POD["volumes"] if "emptyDir" in each}
    writable = {
        each["mountPath"] for each in CONTAINER["volumeMounts"] if each["name"] in empty
    }
    assert writable == {*instructions("WORKDIR"), "/tmp"}


def test_the_image_asks_what_needs_no_option():
    """networker knows what the image asks for its health."""
    (check,) = instructions("HEALTHCHECK")
    (asked,) = re.findall(r"\$\(networker (.*?)\)", check)
    factory, _, rest = Networker().command_manager.find_command(shlex.split(asked))
    parsed = factory(Networker(), None).get_parser("networker status").parse_args(rest)
    assert parsed.columns == ["workers"]
    assert parsed.formatter == "value"


def test_probes_ask_where_it_is_told(tmp_path):
    """They ask the port at which the workers tell how they are, for pages that exist."""
    main = tmp_path / "networker.conf"
    main.write_text(OBJECTS["ConfigMap"]["data"]["networker.conf"])
    listen = options.load(["--config-file", str(main)]).networker.listen
    (port,) = CONTAINER["ports"]
    assert listening.parse(listen) == ("0.0.0.0", port["containerPort"])
    pages = Pages(tmp_path, lambda: True, lambda: False)
    for kind, status in (("livenessProbe", 200), ("readinessProbe", 503)):
        asked = CONTAINER[kind]["httpGet"]
        assert asked["port"] == port["name"]
        assert pages.answer(asked["path"], "")[0] == status


def test_the_image_starts_a_worker():
    """What is copied into it is what was installed."""
    (entry,) = instructions("ENTRYPOINT")
    assert entry == '["networker-worker"]'
    (copied,) = instructions("COPY")
    prefix = copied.split()[-1]
    assert f"python3 -m venv {prefix}" in IMAGE
    assert instructions("ENV")[0].startswith(f"PATH={prefix}/bin:")


def test_the_image_is_built_from_what_it_needs():
    """Nothing that is left out is needed, and no secret of a checkout gets into it."""
    lines = (ROOT / ".containerignore").read_text().split()
    assert lines[0] == "**"
    taken = {line[1:] for line in lines if line.startswith("!")}
    assert all((ROOT / name).exists() for name in taken)
    assert {"networker", "rpc", "drivers", "setup.cfg", "pyproject.toml"} < taken
