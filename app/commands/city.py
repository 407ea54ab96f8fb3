"""Setting a whole city up: jurisdiction, masters and people from a folder, a machine client for each channel."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import select, update

from app.accounts.passwords import Passwords
from app.accounts.tables import MachineClient, UserAccount
from app.core.database import Sessions, transaction
from app.core.tables import Jurisdiction
from app.intake.channels import CHANNELS

#: datum of coordinates where a channel's messages do not say: the police's maps are GCJ-02 (DOMAIN.md §8)
_CRS: Final = {"police-110": "gcj02"}


@dataclass(frozen=True, slots=True)
class City:
    """A city that is ready to take reports. ``secrets``: of each channel's client, whose code is the channel's."""

    jurisdiction_id: int
    code: str
    secrets: Mapping[str, str]


async def set_up_city(
    sessions: Sessions, code: str, name: str, folder: Path, *, by: str = "命令行", password: str | None = None
) -> City:
    """Creates what is missing and publishes what changed; the same again changes nothing but the clients' secrets.

    ``password``: given to everybody of the city, for the demo only. Raises Malformed and Inconsistent with all faults.
    """
    # Comes with the classifier's libraries, which take two seconds: the demo's processes start meanwhile.
    from app.masters.users import load_city

    passwords = Passwords()
    new_secrets = {channel: secrets.token_urlsafe(24) for channel in CHANNELS}
    hashes = {channel: await passwords.hash(secret) for channel, secret in new_secrets.items()}
    # One hash for all of them, salt included: whoever reads the table sees that they share it. That is no secret in
    # the demo, whose password stands on the screen, and a hash each would take a quarter of a minute.
    shared = await passwords.hash(password) if password else None
    async with transaction(sessions) as session:
        jurisdiction_id = await session.scalar(select(Jurisdiction.id).where(Jurisdiction.code == code))
        if jurisdiction_id is None:
            jurisdiction = Jurisdiction(code=code, name=name)
            session.add(jurisdiction)
            await session.flush()
            jurisdiction_id = jurisdiction.id
        await load_city(session, jurisdiction_id, folder, by=by, passwords=passwords)
        known = {
            client.code: client
            for client in await session.scalars(
                select(MachineClient).where(MachineClient.jurisdiction_id == jurisdiction_id)
            )
        }
        for channel, hashed in hashes.items():
            if channel in known:
                known[channel].secret_hash = hashed
                continue
            session.add(
                MachineClient(
                    jurisdiction_id=jurisdiction_id,
                    code=channel,
                    name=CHANNELS[channel].name_zh,
                    channel=channel,
                    secret_hash=hashed,
                    crs=_CRS.get(channel),
                )
            )
        if shared is not None:
            await session.execute(
                update(UserAccount)
                .where(UserAccount.jurisdiction_id == jurisdiction_id)
                .values(password_hash=shared, failures=0, locked_until=None)
            )
    return City(jurisdiction_id, code, new_secrets)
