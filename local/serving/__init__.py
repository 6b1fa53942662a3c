"""Knative Serving in small: revisions, routes, scale from and to zero, and the gateway before them."""

from local.serving.revision import ServingOptions
from local.serving.serving import Serving

__all__ = ["Serving", "ServingOptions"]
