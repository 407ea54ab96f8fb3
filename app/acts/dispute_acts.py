"""What can be done about whose job it is: returns reviewed, negotiations, rulings, precedents."""

from app.acts.action import Action

#: on events
DISPUTE_EVENT_ACTIONS: tuple[Action, ...] = ()
#: on work orders
DISPUTE_ORDER_ACTIONS: tuple[Action, ...] = ()
