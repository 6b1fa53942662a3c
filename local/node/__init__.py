"""The node of the local platform: what the kubelet and the Job controller are in a cluster.

Containers are plain processes of this machine; the departures that follow from it are in `node.py`.
"""

from local.node.host import NodeOptions
from local.node.jobs import JobController
from local.node.node import Node

__all__ = ["JobController", "Node", "NodeOptions"]
