"""The start-up hook: waits for the host's trackers to be imported, and then registers ours.

`ultralytics_reid.pth` imports this module whenever Python starts, so it must cost next to nothing: it imports nothing,
and puts one finder on `sys.meta_path` that looks at a module's name.
"""

import sys

_HOST = "ultralytics.trackers.track"


class _Finder:
    """Finds the one module after whose import we register, with the other finders' help."""

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, ARG002
        if name != _HOST:
            return None
        spec = self._others_spec(name, path, target)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            _register_after(spec.loader)
        return spec

    def _others_spec(self, name, path, target):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    return spec
        return None


def _register_after(loader):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    run = loader.exec_module

    def exec_module(module):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        run(module)
        from .registration import register_quietly

        register_quietly()

    loader.exec_module = exec_module


def install() -> None:
    """Put the finder in place; does nothing where it is, or where the host's trackers are imported already."""
    if _HOST not in sys.modules and not any(isinstance(f, _Finder) for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder())  # type: ignore[arg-type]


install()
