"""The channels by which reports come in, each with its own message, read by one parser."""

from types import MappingProxyType
from typing import Final

from app.intake.channels.channel import Channel, ClientTraits
from app.intake.channels.faults import Fault, MalformedMessage
from app.intake.channels.hotline_12345 import HOTLINE_12345
from app.intake.channels.police_110 import POLICE_110
from app.intake.channels.snapshot import SNAPSHOT

CHANNELS: Final = MappingProxyType[str, Channel](
    {channel.code: channel for channel in (HOTLINE_12345, POLICE_110, SNAPSHOT)}
)

__all__ = ["CHANNELS", "Channel", "ClientTraits", "Fault", "MalformedMessage"]
