"""Open clocks follow a release: a calendar, limits, an emergency or a ladder was published with ``re_decide_open``.

A ladder moves no limit: the clocks are only set to the rung that comes next now, without a generation or an act.

``moves``: what becomes of one clock (pure). ``scan``: looking through all that run. ``job``: moving them, written by
the publication and done in the background. ``preview``: the same look at a draft, without moving anything.
"""
