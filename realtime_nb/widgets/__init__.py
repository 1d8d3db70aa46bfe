"""`Microphone`, `Speaker`, `Scope`, `Camera`, `VoicePanel`, their JavaScript, and the road for sound to the page.

Floor 7: imports the floors below; the floors above import it.
"""

from .microphone import Microphone
from .panel import VoicePanel
from .scope import Scope
from .speaker import Speaker

__all__ = ["Microphone", "Scope", "Speaker", "VoicePanel"]
