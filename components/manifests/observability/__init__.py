"""What watches an environment: monitors, rules and dashboards as plain manifests. Pure.

    scope       where an environment's metrics come from, and the PromQL that everything here is made of
    monitors    what Prometheus is to scrape
    objectives  what is promised to users, how fast the error budget is used up
    alerts/     what calls a person, by the part of the platform that it is about
    rules       both of these as one PrometheusRule
    panels      what a Grafana dashboard consists of, and its JSON
    dashboards/ the dashboards, one a file
    telemetry   the variables that an OpenTelemetry SDK reads

Every query names a metric that the service, the functions' runtimes, RabbitMQ, kube-state-metrics or the
kubelet exports; tests/components/observability compares them with what is really exposed.
"""
