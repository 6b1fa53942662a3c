"""One outside system a module; nobody else may import boto3, kubernetes or pulumi.automation."""
