"""What travels to a worker process: an operation's order with its program, closures included."""

import functools
import io
import sys
from typing import Any

import dill  # type: ignore[import-untyped]

from automation.adapters.automation_api.operation import Order
from engine.errors import EngineError


def pack(order: Order) -> bytes:
    """Return the order as bytes. Raises EngineError for a program that holds what cannot travel."""
    buffer = io.BytesIO()
    try:
        # `recurse`: of a function's globals only those that it uses, not all of its module's.
        _Pickler(buffer, recurse=True).dump(order)
    except Exception as error:  # dill raises what the objects' own methods raise
        raise EngineError(
            f"the program cannot be sent to the worker process: {error}. Make it a function of plain values; "
            "it must hold no locks, files, threads or clients"
        ) from error
    return buffer.getvalue()


def unpack(parcel: bytes) -> Order:
    """Return the order that was packed, by our own parent."""
    order: Order = dill.loads(parcel)  # noqa: S301
    return order


class _Pickler(dill.Pickler):  # type: ignore[misc]
    """Sends classes that can be imported by their names alone.

    dill takes a class for one that cannot when its package has the class under its module's name, as the
    SDKs of Pulumi's providers have it: then a copy of the class would travel, cut off from its module.
    """

    def reducer_override(self, obj: Any) -> Any:
        """Return how a class with an importable name is sent; all else goes dill's way."""
        if isinstance(obj, type) and _is_importable(obj):
            return _named, (obj.__module__, obj.__qualname__)
        return NotImplemented


def _is_importable(obj: type) -> bool:
    module = obj.__module__
    if module in ("__main__", "builtins"):
        return False
    try:
        return _named(module, obj.__qualname__) is obj
    except (ImportError, AttributeError):
        return False


def _named(module: str, name: str) -> Any:
    if module not in sys.modules:
        __import__(module)
    return functools.reduce(getattr, name.split("."), sys.modules[module])
