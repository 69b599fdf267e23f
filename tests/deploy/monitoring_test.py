#!/usr/bin/env python3
"""deploy/prometheus, deploy/grafana, the autoscalers' queries and deploy/RUNBOOK.md: promtool's word on them, and that they agree with
each other and with the metrics of the server.

    monitoring_test.py EASELD EASEL
"""
import json
import re
import sys
import tempfile
import unittest
from pathlib import Path

from tools import DEPLOY, ROOT, run, tool

import yaml

RULES = DEPLOY / "prometheus/easel.rules.yml"
RULE_TESTS = ROOT / "tests/deploy/rules_test.yml"
DASHBOARD = DEPLOY / "grafana/easel.json"
COMPONENTS = DEPLOY / "kubernetes/components"
# What the status codes of easel_requests_total may be: those of the API.
CODES = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "CANCELLED", "UNAVAILABLE",
         "UNAUTHENTICATED", "PERMISSION_DENIED", "INTERNAL"}


def rules():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts():
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def panels():
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def autoscaler_queries():
    adapter, = yaml.safe_load((COMPONENTS / "autoscale-adapter/adapter-values.yaml").read_text())["rules"]["custom"]
    series = adapter["seriesQuery"]
    keda = yaml.safe_load((COMPONENTS / "autoscale-keda/scaled-object.yaml").read_text())["spec"]["triggers"][0]["metadata"]["query"]
    asked = adapter["metricsQuery"].replace("<<.Series>>", series.split("{")[0]).replace("<<.LabelMatchers>>", 'pod="x"')
    return [series, asked.replace("<<.GroupBy>>", "pod"), keda]


def dashboard_queries():
    """As Prometheus gets them, Grafana's own variables filled in."""
    texts = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [text.replace("$__rate_interval", "1m").replace("$instance", ".*") for text in texts]


def queries():
    return [rule["expr"] for rule in rules()] + dashboard_queries() + autoscaler_queries()


def served_series():
    """Every series that a server's page has, and those that the rules record."""
    series = {rule["record"] for rule in rules() if "record" in rule}
    for path in (ROOT / "server/metrics").glob("*.cc"):
        for kind, name in re.findall(r'\bAdd(Counters|Gauges|Histograms)\(\s*"(easel_\w+)"', path.read_text()):
            series |= {name + suffix for suffix in ("_bucket", "_sum", "_count")} if kind == "Histograms" else {name}
    return series


def named_series(text):
    return set(re.findall(r"\beasel[_:][a-z_:]+", text))


class RulesTest(unittest.TestCase):
    def test_promtool_accepts_rules_and_configuration(self):
        for what, path in (("rules", RULES), ("config", DEPLOY / "prometheus/prometheus.yml")):
            code, told = run(tool("promtool"), "check", what, "--lint-fatal", path)
            self.assertEqual(code, 0, told)

    def test_each_alert_fires_when_it_should(self):
        code, told = run(tool("promtool"), "test", "rules", RULE_TESTS)
        self.assertEqual(code, 0, told)

    def test_each_alert_is_tried_firing_and_silent(self):
        tried = [case for test in yaml.safe_load(RULE_TESTS.read_text())["tests"] for case in test.get("alert_rule_test", [])]
        for alert in alerts():
            for firing in (True, False):
                with self.subTest(alert=alert, firing=firing):
                    self.assertTrue(any(case["alertname"] == alert and bool(case["exp_alerts"]) == firing for case in tried))

    def test_the_operators_resource_holds_the_same_rules(self):
        code, told = run(DEPLOY / "prometheus/as_prometheus_rule.sh")
        self.assertEqual(code, 0, told)
        resource = yaml.safe_load(told)
        self.assertEqual((resource["apiVersion"], resource["kind"]), ("monitoring.coreos.com/v1", "PrometheusRule"))
        self.assertEqual(resource["spec"], yaml.safe_load(RULES.read_text()))

    def test_the_runbook_has_a_page_for_each_alert_and_no_other(self):
        text = (DEPLOY / "RUNBOOK.md").read_text()
        pages = re.findall(r"^## (Easel\w+)$", text, re.MULTILINE)
        self.assertEqual(sorted(pages), sorted(alerts()))
        for name, rule in alerts().items():
            self.assertEqual(rule["annotations"]["runbook_url"], f"deploy/RUNBOOK.md#{name.lower()}")
            self.assertIn(rule["labels"]["severity"], ("critical", "warning"))
        for page in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
            if page.startswith("Easel"):
                self.assertIn("**Means**", page)
                self.assertIn("**Do**", page)


class NamesTest(unittest.TestCase):
    def test_every_series_asked_for_is_one_that_the_server_has(self):
        served = served_series()
        self.assertIn("easel_requests_total", served)
        self.assertIn("easel_step_seconds_sum", served)
        asked = named_series(" ".join(queries()))
        self.assertGreater(len(asked), 30)
        self.assertEqual(asked - served, set())
        self.assertEqual(named_series(RULE_TESTS.read_text()) - served, set())
        histograms = {name.removesuffix("_bucket") for name in served}  # as prose names them
        self.assertEqual(named_series((DEPLOY / "RUNBOOK.md").read_text()) - served - histograms, set())

    def test_every_code_asked_for_is_one_that_the_api_has(self):
        asked = {code for text in queries() for code in re.findall(r'\bcode="(\w+)"', text)}
        self.assertIn("RESOURCE_EXHAUSTED", asked)
        self.assertLessEqual(asked, CODES)


class DashboardTest(unittest.TestCase):
    def test_prometheus_can_parse_every_query(self):
        texts = dashboard_queries() + autoscaler_queries()
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "queries.yml"
            path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": [
                {"record": f"query:{number}", "expr": text} for number, text in enumerate(texts)]}]}))
            code, told = run(tool("promtool"), "check", "rules", path)
        self.assertEqual(code, 0, told)
        self.assertIn(f"{len(texts)} rules found", told)

    def test_panels_are_whole_and_do_not_overlap(self):
        every = json.loads(DASHBOARD.read_text())["panels"]
        self.assertEqual(len({panel["id"] for panel in every}), len(every))
        cells = set()
        for panel in every:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24)
            mine = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(mine & cells, panel["title"])
            cells |= mine
        for panel in panels():
            self.assertTrue(panel["title"] and panel["description"] and panel["targets"])
            self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])

    def test_data_source_and_replica_are_the_readers_choice(self):
        board = json.loads(DASHBOARD.read_text())
        self.assertEqual([variable["name"] for variable in board["templating"]["list"]], ["datasource", "instance"])
        for panel in panels():
            for target in [panel, *panel["targets"]]:
                self.assertEqual(target["datasource"], {"type": "prometheus", "uid": "${datasource}"})


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
