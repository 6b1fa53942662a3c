"""The Python runtime. `wrapper/` is copied into the image as it is and started with `python -m wrapper`."""
