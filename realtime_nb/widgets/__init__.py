"""What a person sees and speaks into: `Microphone`, `Speaker`, `VoicePanel`."""

from .microphone import Microphone
from .panel import VoicePanel
from .speaker import Speaker

__all__ = ["Microphone", "Speaker", "VoicePanel"]
