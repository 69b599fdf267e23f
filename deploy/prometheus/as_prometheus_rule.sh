#!/usr/bin/env bash
# Prints easel.rules.yml as a resource of the Prometheus operator: as_prometheus_rule.sh | kubectl apply -n NAMESPACE -f -
set -euo pipefail
cat <<'HEAD'
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: easel
  labels:
    app.kubernetes.io/name: easel
spec:
HEAD
sed 's/^/  /' "$(dirname "$0")/easel.rules.yml"
