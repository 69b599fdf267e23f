#!/usr/bin/env python3
"""deploy/kubernetes: every overlay, rendered and held to the schemas of Kubernetes and to what Easel promises there.

    kubernetes_test.py EASELD EASEL
"""
import copy
import json
import re
import shutil
import subprocess
import sys
import unittest

from tools import DEPLOY, ROOT, run

import jsonschema
import kubernetes_validate
import yaml

EASELD, EASEL = sys.argv[1:3]
KUBERNETES = DEPLOY / "kubernetes"
OVERLAYS = ["cpu", "gpu", "multi-replica", "multi-replica-keda", "secure"]
VERSION = "1.37"  # the newest whose schemas kubernetes-validate 1.37.0 has
OLDEST = "1.30"   # the first with lifecycle.preStop.sleep on
CUSTOM = {kind: json.loads((ROOT / f"tests/deploy/schemas/{kind.lower()}.json").read_text())
          for kind in ("ServiceMonitor", "ScaledObject")}
SERVICE = "easel.v1.ImageGeneration"


def kustomize():
    """The command that renders, or nothing: Debian 12 packages none that knows components."""
    for render, ask, told in ((["kubectl", "kustomize"], ["kubectl", "version", "--client"], r"Kustomize Version: v(\d+)"),
                              (["kustomize", "build"], ["kustomize", "version"], r"^\{?v(\d+)")):
        if shutil.which(render[0]) is None:
            continue
        version = re.search(told, run(*ask)[1])
        if version is not None and int(version.group(1)) >= 5:
            return render
    return None


def validate(resource, version):
    schema = CUSTOM.get(resource["kind"])
    if schema is None:
        kubernetes_validate.validate(resource, version, strict=True)
        return
    jsonschema.validate(resource, schema)
    behavior = resource["spec"].get("advanced", {}).get("horizontalPodAutoscalerConfig", {}).get("behavior")
    if behavior is not None:
        kubernetes_validate.validate({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "of-keda"},
                                      "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "easeld"}, "maxReplicas": 1,
                                               "behavior": behavior}}, version, strict=True)


class ManifestsTest(unittest.TestCase):
    """The files as they are, with no kustomize needed."""

    def test_every_resource_of_the_base_and_the_components_is_valid(self):
        files = [path for path in KUBERNETES.rglob("*.yaml")
                 if path.parent.name == "base" or path.name in ("autoscaler.yaml", "scaled-object.yaml")]
        kinds = set()
        for path in files:
            if path.name == "kustomization.yaml":
                continue
            for resource in yaml.safe_load_all(path.read_text()):
                kinds.add(resource["kind"])
                for version in (VERSION, OLDEST):
                    with self.subTest(file=path.name, version=version):
                        validate(resource, version)
        self.assertEqual(kinds, {"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy", "ServiceMonitor",
                                 "HorizontalPodAutoscaler", "ScaledObject"})

    def test_a_misspelt_field_is_found(self):
        for name in ("base/deployment.yaml", "base/service-monitor.yaml", "components/autoscale-keda/scaled-object.yaml"):
            resource = yaml.safe_load((KUBERNETES / name).read_text())
            resource["spec"]["replicaz"] = 3
            with self.subTest(file=name), self.assertRaises(jsonschema.ValidationError):
                validate(resource, VERSION)
        keda = yaml.safe_load((KUBERNETES / "components/autoscale-keda/scaled-object.yaml").read_text())
        keda["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]["stabilisationWindowSeconds"] = 1
        with self.assertRaises(jsonschema.ValidationError):
            validate(keda, VERSION)

    def test_every_variable_is_one_that_easeld_or_easel_knows(self):
        known = {name for program in (EASELD, EASEL)  # the second for probes over TLS
                 for name in re.findall(r"\(Env:(EASEL_\w+)\)", run(program, "--help")[1])}
        used = set()
        for path in [*KUBERNETES.rglob("*.yaml"), *KUBERNETES.rglob("*.env")]:
            used |= set(re.findall(r"^\s*(?:- name: )?(EASEL_\w+)\b", path.read_text(), re.MULTILINE))
        self.assertIn("EASEL_LISTEN", used)
        self.assertIn("EASEL_THREADS", used)
        self.assertEqual(used - known, set())

    def test_every_kustomization_names_files_that_are_there(self):
        seen = 0
        for path in KUBERNETES.rglob("kustomization.yaml"):
            kustomization = yaml.safe_load(path.read_text())
            names = [*kustomization.get("resources", []), *kustomization.get("components", []),
                     *(patch["path"] for patch in kustomization.get("patches", [])),
                     *(env for generator in kustomization.get("configMapGenerator", []) for env in generator["envs"])]
            for name in names:
                seen += 1
                self.assertTrue((path.parent / name).exists(), f"{path}: {name}")
        self.assertGreater(seen, 15)


class OverlayTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        command = kustomize()
        if command is None:
            raise unittest.SkipTest("no kustomize 5, alone or in kubectl, and Debian 12 packages none: the overlays were not rendered")
        cls.rendered = {}
        for overlay in OVERLAYS:
            done = subprocess.run([*command, KUBERNETES / "overlays" / overlay], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert "deprecated" not in done.stderr, done.stderr
            cls.rendered[overlay] = list(yaml.safe_load_all(done.stdout))

    def one(self, overlay, kind):
        found = [resource for resource in self.rendered[overlay] if resource["kind"] == kind]
        self.assertEqual(len(found), 1, f"{overlay}: {kind}")
        return copy.deepcopy(found[0])

    def pod(self, overlay):
        spec = self.one(overlay, "Deployment")["spec"]["template"]["spec"]
        self.assertEqual(len(spec["containers"]), 1)
        return spec, spec["containers"][0]

    def test_there_is_an_overlay_for_each_rendered_here(self):
        self.assertEqual(sorted(OVERLAYS), sorted(path.name for path in (KUBERNETES / "overlays").iterdir()))

    def test_every_rendered_resource_is_valid(self):
        for overlay, resources in self.rendered.items():
            for resource in resources:
                for version in (VERSION, OLDEST):
                    with self.subTest(overlay=overlay, kind=resource["kind"], version=version):
                        validate(resource, version)

    def test_all_three_probes_ask_the_service_for_its_health(self):
        for overlay in OVERLAYS:
            _, container = self.pod(overlay)
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                if overlay == "secure":  # the kubelet's own speak plain text
                    self.assertNotIn("grpc", container[probe])
                    self.assertEqual(container[probe]["exec"], {"command": ["easel", "health"]})
                    self.assertGreaterEqual(container[probe]["timeoutSeconds"], 5)
                else:
                    self.assertEqual(container[probe]["grpc"], {"port": 50051, "service": SERVICE})

    def test_the_secure_overlay_reads_certificate_and_keys_from_read_only_secrets(self):
        spec, container = self.pod("secure")
        variables = {entry["name"]: entry.get("value") for entry in container["env"]}
        mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
        volumes = {volume["name"]: volume["secret"] for volume in spec["volumes"]}
        for name, secret, files in (
                ("tls", "easel-tls", {"EASEL_TLS_CERT": "tls.crt", "EASEL_TLS_KEY": "tls.key", "EASEL_TLS_CA": "ca.crt"}),
                ("api-keys", "easel-api-keys", {"EASEL_API_KEYS": "api.keys"})):
            self.assertEqual(volumes[name], {"secretName": secret, "defaultMode": 0o440})
            self.assertIs(mounts[name]["readOnly"], True)
            self.assertNotIn("subPath", mounts[name])  # it would never see what has changed
            for variable, file in files.items():
                self.assertEqual(variables[variable], f"{mounts[name]['mountPath']}/{file}")
        self.assertEqual(spec["securityContext"]["fsGroup"], spec["securityContext"]["runAsGroup"])
        services = {service["metadata"]["name"]: service for service in self.rendered["secure"] if service["kind"] == "Service"}
        self.assertIn(variables["EASEL_TLS_SERVER_NAME"], services)  # a name that callers' certificates need anyway
        for service in services.values():
            protocols = {port["name"]: port.get("appProtocol") for port in service["spec"]["ports"]}
            self.assertEqual(protocols["grpc"], "https")

    def test_the_grace_period_outlasts_the_drain(self):
        for overlay in OVERLAYS:
            spec, container = self.pod(overlay)
            settings = self.one(overlay, "ConfigMap")["data"]
            drain = float(settings["EASEL_DRAIN_TIMEOUT"])
            pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            # A readiness probe and an endpoint's way through the cluster.
            self.assertGreaterEqual(pause, 2 * container["readinessProbe"]["periodSeconds"])
            self.assertGreaterEqual(spec["terminationGracePeriodSeconds"], pause + drain + 10)

    def test_pods_run_without_privileges(self):
        for overlay in OVERLAYS:
            spec, container = self.pod(overlay)
            self.assertIs(spec["automountServiceAccountToken"], False)
            self.assertIs(spec["securityContext"]["runAsNonRoot"], True)
            self.assertGreater(spec["securityContext"]["runAsUser"], 0)
            self.assertEqual(spec["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertEqual(container["securityContext"], {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                                            "capabilities": {"drop": ["ALL"]}})

    def test_resources_are_bounded_and_the_gpu_overlay_takes_a_gpu(self):
        for overlay in OVERLAYS:
            _, container = self.pod(overlay)
            for bound in ("requests", "limits"):
                self.assertLessEqual({"cpu", "memory"}, set(container["resources"][bound]))
            gpu = overlay in ("gpu", "multi-replica-keda")
            self.assertEqual(container["resources"]["limits"].get("nvidia.com/gpu"), "1" if gpu else None)
            self.assertEqual(container["image"], "easel:cuda" if gpu else "easel:cpu")

    def test_threads_follow_the_cpu_limit(self):
        _, container = self.pod("cpu")
        variables = {entry["name"]: entry for entry in container["env"]}
        self.assertEqual(variables["EASEL_THREADS"]["valueFrom"]["resourceFieldRef"],
                         {"containerName": "easeld", "resource": "limits.cpu", "divisor": "1"})
        self.assertEqual(variables["EASEL_WORKERS"]["value"], "1")

    def test_models_are_read_only(self):
        spec, container = self.pod("gpu")
        mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
        self.assertIs(mounts["models"]["readOnly"], True)
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        self.assertIs(volumes["models"]["persistentVolumeClaim"]["readOnly"], True)
        model = next(entry["value"] for entry in container["env"] if entry["name"] == "EASEL_MODEL")
        self.assertTrue(model.startswith(mounts["models"]["mountPath"] + "/"))

    def test_everything_selects_the_pods(self):
        for overlay in OVERLAYS:
            deployment = self.one(overlay, "Deployment")
            labels = deployment["metadata"]["labels"] | deployment["spec"]["template"]["metadata"]["labels"]
            wanted = [deployment["spec"]["selector"]["matchLabels"],
                      self.one(overlay, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
                      self.one(overlay, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
                      *(service["spec"]["selector"] for service in self.rendered[overlay] if service["kind"] == "Service")]
            self.assertEqual(len(wanted), 5)
            for selector in wanted:
                self.assertLessEqual(selector.items(), labels.items())

    def test_ports_agree_with_what_easeld_listens_on(self):
        for overlay in OVERLAYS:
            _, container = self.pod(overlay)
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            settings = self.one(overlay, "ConfigMap")["data"]
            self.assertEqual(settings["EASEL_LISTEN"], f"0.0.0.0:{ports['grpc']}")
            self.assertEqual(settings["EASEL_METRICS_LISTEN"], f"0.0.0.0:{ports['metrics']}")
            for service in self.rendered[overlay]:
                if service["kind"] == "Service":
                    self.assertLessEqual({port["targetPort"] for port in service["spec"]["ports"]}, set(ports))
            for rule in self.one(overlay, "NetworkPolicy")["spec"]["ingress"]:
                self.assertLessEqual({port["port"] for port in rule["ports"]}, set(ports))

    def test_prometheus_scrapes_each_pod_once(self):
        for overlay in OVERLAYS:
            monitor = self.one(overlay, "ServiceMonitor")["spec"]
            port, = (endpoint["port"] for endpoint in monitor["endpoints"])
            scraped = [service for service in self.rendered[overlay] if service["kind"] == "Service"
                       and monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
                       and port in (each["name"] for each in service["spec"]["ports"])]
            self.assertEqual([service["metadata"]["name"] for service in scraped], ["easel-headless"])
            self.assertEqual(scraped[0]["spec"]["clusterIP"], "None")
            # The job's name, on which rules and dashboard select.
            self.assertEqual(scraped[0]["metadata"]["labels"][monitor["jobLabel"]], "easel")

    def test_replicas_scale_on_the_queue_wait(self):
        autoscaler = self.one("multi-replica", "HorizontalPodAutoscaler")["spec"]
        metric = autoscaler["metrics"][0]["pods"]["metric"]["name"]
        adapter, = yaml.safe_load((KUBERNETES / "components/autoscale-adapter/adapter-values.yaml").read_text())["rules"]["custom"]
        self.assertEqual(metric, adapter["name"]["as"])
        keda = self.one("multi-replica-keda", "ScaledObject")["spec"]
        for spec in (autoscaler, keda):
            self.assertEqual((spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]), ("Deployment", "easeld"))
        for overlay in ("multi-replica", "multi-replica-keda"):
            self.assertNotIn("replicas", self.one(overlay, "Deployment")["spec"])  # the autoscaler's own
        self.assertEqual(float(autoscaler["metrics"][0]["pods"]["target"]["averageValue"]),
                         float(keda["triggers"][0]["metadata"]["threshold"]))
        rules = (DEPLOY / "prometheus/easel.rules.yml").read_text()
        recorded = set(re.findall(r"record: (\S+)", rules))
        for text in (adapter["seriesQuery"], keda["triggers"][0]["metadata"]["query"]):
            self.assertIn(re.search(r"easel:\w+", text).group(), recorded)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
