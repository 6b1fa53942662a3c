"""Which images a repository lets go of."""

from components.manifests.metadata import Manifest


def expiry(days: int, untagged_days: int) -> Manifest:
    """Return an ECR lifecycle policy: tagged images go after so many days (0: never), untagged ones sooner.

    Days count from the push. A rule for any image has to have the last priority (ECR, "Lifecycle policies").
    """
    rules = [_rule(1, "untagged images", "untagged", untagged_days)]
    if days:
        rules.append(_rule(2, f"images older than {days} days", "any", days))
    return {"rules": rules}


def _rule(priority: int, description: str, tag_status: str, days: int) -> Manifest:
    selection = {
        "tagStatus": tag_status,
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": days,
    }
    return {
        "rulePriority": priority,
        "description": description,
        "selection": selection,
        "action": {"type": "expire"},
    }
