from .sfx import SfxHook as SfxHook
