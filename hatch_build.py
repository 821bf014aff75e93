"""Puts the start-up hook into editable wheels too; `force-include` covers ordinary ones."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class StartupHook(BuildHookInterface):  # noqa: D101
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: D102
        if version == "editable":
            build_data["force_include_editable"]["ultralytics_reid.pth"] = "ultralytics_reid.pth"
