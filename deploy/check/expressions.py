"""Writes every expression of a dashboard as a file of rules, so that promtool reads them: expressions.py DASHBOARD."""

import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    panels = json.load(file)["panels"]
rules = []
for panel in panels:
    for target in panel.get("targets", []):
        # What Grafana puts in the place of its variables.
        expression = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
        rules.append({"record": f"panel:{panel['id']}:{target['refId']}", "expr": expression})
json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, sys.stdout)
