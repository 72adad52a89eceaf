"""deploy/kubernetes, rendered as `kubectl kustomize` renders it, as far as our files go.

That is: resources, components, patches of JSON 6902, images, replicas, a namespace. What else is said is refused."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from tests.support.stack import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = sorted(path.name for path in (FOLDER / "overlays").iterdir())
VERSION = "1.35"  # of the API that the manifests are held against; nothing in them is younger than 1.29
_SCHEMAS = Path(__file__).parent / "schemas"
_KNOWN = {"apiVersion", "kind", "resources", "components", "patches", "images", "replicas", "namespace"}
Document = dict[str, Any]


def rendered(overlay: str) -> list[Document]:
    """Every object of this overlay."""
    return _folder(FOLDER / "overlays" / overlay, [])


def validate(document: Mapping[str, Any]) -> None:
    """Raises where the API, or the kind's own schema, would refuse it; a field that there is not is refused, too."""
    schema = _SCHEMAS / f"{document['kind']}.json"
    if schema.exists():
        jsonschema.validate(document, json.loads(schema.read_text("utf-8")))
    else:
        kubernetes_validate.validate(document, VERSION, strict=True)


def container(document: Mapping[str, Any]) -> Document:
    """The one container of its pods."""
    (found,) = document["spec"]["template"]["spec"]["containers"]
    return dict(found)


def of_kind(documents: list[Document], kind: str) -> dict[str, Document]:
    """Those of a kind, by name."""
    return {one["metadata"]["name"]: one for one in documents if one["kind"] == kind}


def _folder(folder: Path, before: list[Document]) -> list[Document]:
    said = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    assert said.keys() <= _KNOWN, said.keys() - _KNOWN
    found = [*before, *(one for name in said.get("resources", []) for one in _resource(folder / name))]
    for name in said.get("components", []):
        found = _folder(folder / name, found)
    for patch in said.get("patches", []):
        assert set(patch["target"]) == {"kind"}
        for one in found:
            if one["kind"] == patch["target"]["kind"]:
                _patch(one, yaml.safe_load((folder / patch["path"]).read_text("utf-8")))
    for one in found:
        _transform(one, said)
    return found


def _resource(path: Path) -> Iterator[Document]:
    if path.is_dir():
        yield from _folder(path, [])
    else:
        yield from yaml.safe_load_all(path.read_text("utf-8"))


def _patch(document: Document, operations: list[Mapping[str, Any]]) -> None:
    for operation in operations:
        assert operation["op"] == "add"
        place: Any = document
        *way, last = operation["path"].strip("/").split("/")
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        place[last] = deepcopy(operation["value"])


def _transform(document: Document, said: Mapping[str, Any]) -> None:
    if "namespace" in said:
        document["metadata"]["namespace"] = said["namespace"]
    for one in said.get("replicas", []):
        if document["kind"] == "Deployment" and document["metadata"]["name"] == one["name"]:
            document["spec"]["replicas"] = one["count"]
    if "template" in document.get("spec", {}):
        for image in said.get("images", []):
            for used in document["spec"]["template"]["spec"]["containers"]:
                if used["image"].partition(":")[0] == image["name"]:
                    used["image"] = f"{image['newName']}:{image['newTag']}"
