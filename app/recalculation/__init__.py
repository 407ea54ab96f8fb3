"""Open clocks follow a release: a calendar, limits or an emergency was published with ``re_decide_open``.

``moves``: what becomes of one clock (pure). ``scan``: looking through all that run. ``job``: moving them, written by
the publication and done in the background. ``preview``: the same look at a draft, without moving anything.
"""
