"""What every decision rests on: the masters of one release vector."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.accounts.organizations import Organizations
from app.clocks.emergencies import NO_EMERGENCIES, Emergencies
from app.clocks.records import Clockwork
from app.dispatch.routing import Router
from app.grid.place_index import PlaceIndex
from app.items.catalogue import Catalogue
from app.items.classifier import Classifier
from app.masters.policies import Policies


@dataclass(frozen=True, slots=True)
class Masters:
    """Everything that decides, of one release vector. Immutable; a kind nobody published yet is empty."""

    jurisdiction_id: int
    jurisdiction_code: str
    #: kind → id of the release it was built from; stored with every decision
    vector: Mapping[str, int]
    items: Catalogue
    classifier: Classifier
    #: lasting ids of items by key, those of earlier releases included
    item_ids: Mapping[str, int]
    item_keys: Mapping[int, str]
    places: PlaceIndex
    organizations: Organizations
    router: Router
    #: calendars by code, and the escalation ladder
    clockwork: Clockwork
    policies: Policies
    emergencies: Emergencies = NO_EMERGENCIES
