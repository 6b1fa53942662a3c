"""Who provides storage and images."""

from typing import Final

AWS: Final = "aws"
"""Buckets of S3, which the environment makes."""
S3_COMPATIBLE: Final = "s3-compatible"
"""Buckets of a server with S3's API, made elsewhere."""
STORAGE_PROVIDERS: Final = (AWS, S3_COMPATIBLE)

ECR: Final = "ecr"
"""Repositories of ECR, which the environment makes."""
OCI: Final = "oci"
"""Any registry, whose repositories are made elsewhere or by the first push."""
REGISTRY_PROVIDERS: Final = (ECR, OCI)
