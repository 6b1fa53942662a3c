"""The alerts of an environment, by the part of the platform that they are about."""
