"""What several hands do: parts, sub-dispatch, call-outs."""

from app.acts.action import Action

#: on events
HAND_EVENT_ACTIONS: tuple[Action, ...] = ()
#: on work orders
HAND_ORDER_ACTIONS: tuple[Action, ...] = ()
