"""Holds the chart against Helm's own linter and Kubernetes' own schemas: chart.py CHART FOLDER.

Needs `helm-python-sdk` (Helm's own Go code, without the program) and `kubernetes-validate`. Writes each ServiceMonitor
to FOLDER, for whose kind Kubernetes has no schema of its own.
"""

import json
import pathlib
import sys

import helm_python
import kubernetes_validate
import yaml

KUBERNETES = ["1.27", "1.37"]
# Nothing but the defaults, everything at once, and what a strict cluster's owner would say.
GOOD = {
    "defaults": {},
    "everything": {
        "image": {"repository": "registry.example.org/orch", "tag": "0.1.0", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "pull"}],
        "projects": [{"name": "main", "git": "https://git.example.org/team/main.git"}, {"name": "empty"}],
        "config": 'runtime = "claude"\n[workers]\nmax = 4\n',
        "auth": {"existingSecret": "orch-token"},
        "env": [{"name": "ANTHROPIC_API_KEY", "valueFrom": {"secretKeyRef": {"name": "models", "key": "anthropic"}}}],
        "secretMounts": [{"secretName": "git-login", "mountPath": "/etc/git-login"}],
        "persistence": {"storageClass": "fast"},
        "service": {"annotations": {"a": "b"}},
        "serviceAccount": {"annotations": {"a": "b"}},
        "ingress": {"enabled": True, "className": "nginx", "annotations": {"a": "b"}},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "podAnnotations": {"a": "b"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "agents", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
    },
    "closed": {"networkPolicy": {"from": [], "egressPorts": []}, "ingress": {"enabled": True, "tlsSecret": ""}},
    "open": {"networkPolicy": {"enabled": False}},
}
# What the values' schema must refuse.
BAD = {
    "an unknown key": {"replicas": 2},
    "a misspelt key": {"persistence": {"sizes": "1Gi"}},
    "a path for a project": {"projects": [{"name": "../etc"}]},
    "a local repository": {"projects": [{"name": "main", "git": "/etc"}]},
    "a port of root's": {"port": 80},
    "a size without a unit": {"persistence": {"size": "20"}},
    "everybody as a peer": {"networkPolicy": {"from": [{}]}},
    "no repository": {"image": {"repository": ""}},
}


def kinds(manifests):
    """The documents of all templates, as (template, document)."""
    for template, text in manifests.items():
        if template.endswith(".txt"):
            continue
        for document in yaml.safe_load_all(text):
            if document:
                yield template, document


def check(document):
    """What Kubernetes says of one document, in its oldest and newest version here."""
    for version in KUBERNETES:
        kubernetes_validate.validate(document, version, strict=True)


def held(documents):
    """What must hold whatever the values say."""
    faults = []
    for _, document in documents:
        if document["kind"] != "StatefulSet":
            continue
        pod = document["spec"]["template"]["spec"]
        if not pod["securityContext"]["runAsNonRoot"] or pod["automountServiceAccountToken"]:
            faults.append("the pod is root or has a token")
        for container in pod["initContainers"] + pod["containers"]:
            security = container["securityContext"]
            if security["allowPrivilegeEscalation"] or not security["readOnlyRootFilesystem"]:
                faults.append(f"{container['name']} may do too much")
            if security["capabilities"] != {"drop": ["ALL"]}:
                faults.append(f"{container['name']} keeps capabilities")
        names = {volume["name"] for volume in pod["volumes"]} | {"data"}
        mounts = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        if names != mounts:
            faults.append(f"volumes {names} and mounts {mounts} differ")
    return faults


def main(chart_folder, out):
    faults = []
    findings = helm_python.lint(chart_folder)
    print("helm lint", helm_python.helm_sdk_version(), json.dumps(findings, default=str))
    # 1 is advice; the one that it gives is to have an icon.
    faults += [f"helm lint: {finding}" for finding in findings["messages"] if finding["severity"] > 1]
    faults += [f"helm lint: {error}" for error in findings["errors"]]
    seen = set()
    with helm_python.Chart.load(chart_folder) as chart:
        for name, values in GOOD.items():
            documents = list(kinds(chart.render(values, name="demo", namespace="agents")))
            faults += [f"{name}: {fault}" for fault in held(documents)]
            for template, document in documents:
                seen.add(document["kind"])
                if document["kind"] == "ServiceMonitor":
                    pathlib.Path(out, f"monitor-{name}.json").write_text(json.dumps(document))
                    continue
                try:
                    check(document)
                except kubernetes_validate.ValidationError as error:
                    faults.append(f"{name}: {template}: {error.message}")
            print(f"{name}: {len(documents)} documents")
        for name, values in BAD.items():
            try:
                chart.render(values, name="demo", namespace="agents")
                faults.append(f"{name} is not refused")
            except helm_python.HelmError as error:
                if "schema" not in str(error):
                    faults.append(f"{name}: refused, but not by the schema: {error}")
    wanted = {"StatefulSet", "Service", "ServiceAccount", "ConfigMap", "Ingress", "NetworkPolicy", "ServiceMonitor"}
    if seen != wanted:
        faults.append(f"rendered {seen}, wanted {wanted}")
    print("\n".join(faults) or f"{chart_folder}: ok")
    return 1 if faults else 0


sys.exit(main(*sys.argv[1:]))
