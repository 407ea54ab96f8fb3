"""Several hands on one event: parts of an answer, sections and contractors, call-outs 吹哨报到, parts of the event.

A side page of ``app.loop``. One unit leads and answers for all, whoever helps.
"""
