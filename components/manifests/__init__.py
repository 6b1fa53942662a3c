"""Pure planners: arguments in, Kubernetes manifests out. Nothing but the standard library at run time.

A manifest is a plain dictionary in the API's own camelCase words. Values that may come from another resource
(a namespace, an image) are passed on untouched, so they may be Pulumi outputs.
"""
