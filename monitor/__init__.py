"""The sidecar of a build: watches its pod's build container and tells the broker how the build ended.

It reads the pod through the Kubernetes API (its role: get pods and pods/log in its namespace), decides with
`verdict`, and sends build.complete or build.failed until the broker has taken it. It knows nothing of the
service; the event is all that the two share. Standard library only: it runs beside every build, in 128 MiB.

Modules, lowest first: `logtail` (foreign text made fit to send, pure), `failures` (why a build failed, pure),
`verdict` (how it ended, pure), `events` (the CloudEvent, pure), `settings`, `stop` (SIGTERM), `kubernetes`
and `broker` (one outside system each), `watcher` (the loop).
"""
