"""Where machine clients are told what became of their reports, and the secret that signs it."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.tables import MachineClient
from app.core.crypto import Keyring

_AAD: Final = b"endpoint_secret"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A client's address; ``url`` None: it does not want to be told. Without a secret messages go unsigned."""

    client_id: int
    url: str | None = field(repr=False)
    secret: bytes | None = field(repr=False)


def seal_endpoint_secret(keyring: Keyring, client_id: int, secret: str) -> bytes:
    """The value of ``machine_client.endpoint_secret_sealed``: opens for this client only."""
    return keyring.seal_alone(secret.encode(), _aad(client_id))


async def active_endpoints(session: AsyncSession, keyring: Keyring, client_ids: Collection[int]) -> dict[int, Endpoint]:
    """The endpoints of those of the clients that are active. Raises UnsealError for a foreign or damaged secret."""
    found = await session.execute(
        select(MachineClient.id, MachineClient.endpoint_url, MachineClient.endpoint_secret_sealed).where(
            MachineClient.id.in_(client_ids), MachineClient.active
        )
    )
    return {
        client_id: Endpoint(client_id, url, keyring.open_alone(sealed, _aad(client_id)) if sealed is not None else None)
        for client_id, url, sealed in found
    }


async def notice_clients(session: AsyncSession, jurisdiction_id: int) -> list[int]:
    """The clients that carry notices to people's phones and screens: those of the channel ``notices``."""
    found = await session.scalars(
        select(MachineClient.id).where(
            MachineClient.jurisdiction_id == jurisdiction_id, MachineClient.channel == "notices", MachineClient.active
        )
    )
    return list(found)


def _aad(client_id: int) -> bytes:
    return _AAD + b"%d" % client_id
