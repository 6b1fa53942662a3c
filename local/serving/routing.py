"""Which revision a request goes to, by its Host header and the traffic split of the Service."""

from collections.abc import Sequence
from dataclasses import dataclass

from local.serving.conditions import Target

Address = tuple[str, str]
"""Namespace and name."""

_SUFFIXES = (".svc.cluster.local", ".svc", ".localhost", "")


def parse_host(host: str) -> Address | None:
    """Return namespace and name that a Host header stands for; None if it cannot be one of ours."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and ":" in host else host
    name = name.lower().rstrip(".")
    suffix = next(suffix for suffix in _SUFFIXES if name.endswith(suffix))
    labels = name.removesuffix(suffix).split(".") if suffix else name.split(".")
    return (labels[1], labels[0]) if len(labels) == 2 and all(labels) else None


@dataclass
class _Share:
    revision: str
    percent: int
    credit: int = 0


class Split:
    """Divides requests among revisions exactly by percent: of 100 in a row each gets its number."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._shares = [_Share(target.revision, target.percent) for target in targets if target.percent]

    def pick(self) -> str | None:
        """Return the revision for the next request, None if there is none."""
        if len(self._shares) == 1:
            return self._shares[0].revision
        if not self._shares:
            return None
        for share in self._shares:
            share.credit += share.percent
        best = max(self._shares, key=lambda share: share.credit)
        best.credit -= sum(share.percent for share in self._shares)
        return best.revision


class Routes:
    """All Services' routes."""

    def __init__(self) -> None:
        self._targets: dict[Address, tuple[Target, ...]] = {}
        self._splits: dict[Address, Split] = {}

    def update(self, namespace: str, name: str, targets: Sequence[Target]) -> None:
        """Take a Service's targets; the same ones again change nothing."""
        if self._targets.get((namespace, name)) == tuple(targets):
            return
        self.remove(namespace, name)
        self._targets[namespace, name] = tuple(targets)
        self._splits[namespace, name] = Split(targets)
        for target in targets:
            if target.tag:
                whole = Target(target.revision, 100, target.latest)
                self._splits[namespace, f"{target.tag}-{name}"] = Split([whole])

    def remove(self, namespace: str, name: str) -> None:
        """Forget a Service."""
        self._splits.pop((namespace, name), None)
        for target in self._targets.pop((namespace, name), ()):
            if target.tag:
                self._splits.pop((namespace, f"{target.tag}-{name}"), None)

    def find(self, address: Address) -> Split | None:
        """Return the split of a Service or a tag."""
        return self._splits.get(address)
