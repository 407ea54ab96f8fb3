"""What changes who leads or what it is: raised levels, split events, who holds an order."""

from app.acts.action import Action

#: on events
PART_EVENT_ACTIONS: tuple[Action, ...] = ()
#: on work orders
PART_ORDER_ACTIONS: tuple[Action, ...] = ()
