"""What a person sees and speaks into: `Microphone`, `Speaker`, `Scope`, `VoicePanel`."""

from .microphone import Microphone
from .panel import VoicePanel
from .scope import Scope
from .speaker import Speaker

__all__ = ["Microphone", "Scope", "Speaker", "VoicePanel"]
