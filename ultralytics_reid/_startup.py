"""Registers our tracker as soon as the host's trackers are imported.

`ultralytics_reid.pth`, which Python reads whenever it starts, only waits for an import of `ultralytics`, and
then imports this package, and so this module: it imports only what Python has by then, and puts one finder on
`sys.meta_path`, which compares a module's name.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType

HOST = "ultralytics.trackers.track"

# What importing a half-removed or half-written package may raise.
_BROKEN = (ImportError, OSError, SyntaxError, EOFError, ValueError)


def install() -> None:
    """Register as soon as the host's trackers are imported: now, where they are already.

    A host that this very thread is still in the middle of importing is left alone: there is nothing to register with.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    if HOST in sys.modules:
        __import__(HOST)  # waits where another thread is importing it
        if not getattr(sys.modules[HOST].__spec__, "_initializing", False):
            _register()


class _Finder:
    """Finds the one module after whose import we register, by asking the finders behind this one."""

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        if name != HOST:
            return None
        for finder in self._behind():
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader)  # type: ignore[assignment, arg-type]
                return spec
        return None

    def _behind(self) -> "list[_Finder]":
        # Only those, as the ones in front have been asked; two such hooks would else ask each other for ever.
        start = sys.meta_path.index(self) + 1 if self in sys.meta_path else 0
        return [finder for finder in sys.meta_path[start:] if hasattr(finder, "find_spec")]  # type: ignore[misc]


class _Loader:
    """The host module's own loader, and registration after it."""

    def __init__(self, own: "Loader") -> None:
        self._own = own

    def __getattr__(self, name: str) -> object:
        return getattr(self._own, name)

    def exec_module(self, module: "ModuleType") -> None:
        # Put back first: the module's loader is the one it would have without us.
        module.__loader__ = self._own
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        self._own.exec_module(module)
        _register()


def _register() -> None:
    try:
        from .registration import register_quietly
    except _BROKEN as error:
        import warnings

        warnings.warn(f"ultralytics-reid is not available, reinstall it: {error!r}", RuntimeWarning, stacklevel=2)
    else:
        register_quietly(sys.modules[HOST])
