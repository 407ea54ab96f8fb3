"""Events with four open clocks each for ``bihuan bench clocks``, made inside the server by one statement a table.

``GROUPS`` groups of ``DUE_AT_ONCE`` handling clocks fall due one after the other, spread evenly over all events; all
other clocks are due later. What fires has its order, its participants and the rung that fired before.
"""

from typing import Final

CLOCKS_AN_EVENT: Final = 4
#: the groups that fall due, the first of them to warm up; and how many clocks each has
GROUPS: Final = 6
DUE_AT_ONCE: Final = 2000
#: a smaller database has not got the events for them, one clock each
MIN_CLOCKS: Final = GROUPS * DUE_AT_ONCE * CLOCKS_AN_EVENT
#: seconds between two groups; the clocks of one fall due within this time
APART_SECONDS: Final = 60

#: filled one after the other; foreign keys, keys and indexes of these are made when all rows are there
LOADED: Final = ("event", "timeline", "work_order", "event_participant", "clock", "clock_due", "clock_rung")

# ``due_group``: the group in which the event's handling clock falls due; NULL for most.
BASE = """
CREATE UNLOGGED TABLE bench_base AS
SELECT *, (lpad(to_hex((extract(epoch FROM received_at) * 1000)::bigint), 12, '0') || '7'
    || lpad(to_hex(g % 4096), 3, '0') || '8' || substr(md5(g::text), 1, 15))::uuid AS id
FROM (
  SELECT g, :until - make_interval(secs => (:events - g) * 60 * 86400.0 / :events) AS received_at,
    CASE WHEN g % (:events / :firing) = 0 AND g / (:events / :firing) <= :firing
      THEN (g / (:events / :firing) - 1) % {groups} END AS due_group,
    1 + floor(power(random(), 2) * cardinality(CAST(:units AS int[])))::int AS unit,
    1 + floor(power(random(), 3) * cardinality(CAST(:items AS int[])))::int AS item,
    1 + floor(random() * cardinality(CAST(:streets AS text[])))::int AS street, random() AS a, random() AS b
  FROM generate_series(1, :events) g
) numbered
"""

EVENTS = """
INSERT INTO event (id, jurisdiction_id, event_no, seq, head, head_n, head_tag, state, item_id, closure_profile,
  demand_type, domain, level, urgency, channel, district_code, street_code, address, title, lead_unit_id,
  report_count, received_at, release_vector, lon, lat, place_bucket)
SELECT id, :jurisdiction, 'C-' || lpad(g::text, 10, '0'), 40, sha256(g::text::bytea),
  CASE WHEN due_group IS NULL THEN 1 ELSE 2 END, sha256(g::text::bytea), 'handling', (CAST(:items AS int[]))[item],
  'both', 'complaint', 'sanitation_appearance', 'district', 'normal', 'hotline-12345', :district,
  (CAST(:streets AS text[]))[street], '测量路' || g % 900 || '号', '第' || g || '件的标题文字',
  (CAST(:units AS int[]))[unit], 1, received_at, '{{}}', 118 + a / 10, 32 + b / 10,
  floor((118 + a / 10) * 1000)::bigint * 1000000 + floor((32 + b / 10) * 1000)
FROM bench_base ORDER BY g
"""

TIMELINES = """
INSERT INTO timeline (event_id, n, jurisdiction_id, act, subject, actor_kind, acted_at, recorded_at, data, mac)
SELECT id, 1, :jurisdiction, 'dispatch', 'event', 'system', received_at, received_at, CAST('{{}}' AS jsonb),
  sha256(g::text::bytea)
FROM bench_base
UNION ALL
SELECT id, 2, :jurisdiction, 'escalated', 'clock', 'system', received_at, received_at, CAST('{{}}' AS jsonb),
  sha256(g::text::bytea)
FROM bench_base WHERE due_group IS NOT NULL
"""

ORDERS = """
INSERT INTO work_order (event_id, n, jurisdiction_id, unit_id, role, state, round, item_id, district_code, street_code,
  channel, urgency, decision_n, dispatched_at, signed_at, signed_automatically)
SELECT id, 7, :jurisdiction, (CAST(:units AS int[]))[unit], 'lead', 'handling', 1, (CAST(:items AS int[]))[item],
  :district, (CAST(:streets AS text[]))[street], 'hotline-12345', 'normal', 1, received_at, received_at, false
FROM bench_base WHERE due_group IS NOT NULL
"""

PARTICIPANTS = """
INSERT INTO event_participant (event_id, n, org_id, role, since)
SELECT event_id, 8, unit_id, 'lead', dispatched_at FROM work_order
"""

# The groups fall due one after the other from ``until`` on; everything else between an hour and a month later.
CLOCKS = """
INSERT INTO clock (event_id, n, jurisdiction_id, kind, state, order_n, unit_id, item_id, district_code, street_code,
  channel, limit_value, limit_unit, calendar_code, uncounted_cap, given_back, rule, started_at, generation, due_at,
  assumed, next_at)
SELECT b.id, k.n, :jurisdiction, k.kind, 'running', CASE WHEN k.n > 20 THEN 7 END,
  CASE WHEN k.n > 20 THEN (CAST(:units AS int[]))[b.unit] END, (CAST(:items AS int[]))[b.item], :district,
  (CAST(:streets AS text[]))[b.street], 'hotline-12345', 3, 'work_day', 'cn', CASE WHEN k.n > 20 THEN '10 work_day' END,
  'covered', 'handling_limit.district', b.received_at, 1, d.due_at, false, d.due_at
FROM bench_base b
CROSS JOIN (VALUES (20, 'citizen_total'), (21, 'handling'), (22, 'first_contact'), (23, 'return_review')) AS k(n, kind)
CROSS JOIN LATERAL (SELECT CASE WHEN k.n = 21 AND b.due_group IS NOT NULL
  THEN :until + make_interval(secs => {apart} * (b.due_group + 1) - 1 - ({apart} - 2) * b.a)
  ELSE :until + interval '2 hours' + make_interval(secs => 30 * 86400 * ((b.b + k.n / 4.0) - floor(b.b + k.n / 4.0)))
  END AS due_at) d
ORDER BY b.g
"""

CLOCK_DUES = """
INSERT INTO clock_due (event_id, clock_n, generation, due_at, cause, since_at, timeline_n, limit_value, limit_unit,
  grounds)
SELECT event_id, n, 1, due_at, 'started', started_at, 1, limit_value, limit_unit, '' FROM clock
"""

RUNGS = """
INSERT INTO clock_rung (event_id, clock_n, generation, rung, rung_at, fired_at, timeline_n)
SELECT id, 21, 1, 'near', received_at, received_at, 2 FROM bench_base WHERE due_group IS NOT NULL
"""

#: (what, statement) in order
STEPS: Final = (
    ("事件底稿", BASE),
    ("事件", EVENTS),
    ("时间线", TIMELINES),
    ("工单", ORDERS),
    ("参与单位", PARTICIPANTS),
    ("时限", CLOCKS),
    ("到期时间", CLOCK_DUES),
    ("已触发的档", RUNGS),
)

_TYPES: Final = {
    "until": "timestamptz",
    "events": "int",
    "firing": "int",
    "jurisdiction": "smallint",
    "district": "text",
}


def statement(sql: str) -> str:
    """A step with its constants filled in, and its parameters typed."""
    filled = sql.format(groups=GROUPS, apart=APART_SECONDS)
    for name, kind in _TYPES.items():
        filled = filled.replace(f":{name}", f"CAST(:{name} AS {kind})")
    return filled


#: constraints and indexes of ``LOADED``, and whatever points at them, in the order in which they can be made again
CONSTRAINTS = """
SELECT conrelid::regclass::text AS table_name, quote_ident(conname) AS name, pg_get_constraintdef(oid) AS definition
FROM pg_constraint
WHERE contype IN ('p', 'u', 'f')
  AND (conrelid = ANY(CAST(:tables AS regclass[])) OR confrelid = ANY(CAST(:tables AS regclass[])))
ORDER BY contype = 'f', contype
"""
INDEXES = """
SELECT quote_ident(indexname) AS name, indexdef AS definition FROM pg_indexes
WHERE schemaname = current_schema() AND tablename = ANY(CAST(:tables AS text[]))
  AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""
