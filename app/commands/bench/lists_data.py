"""A city of a million events for ``bihuan bench lists``, made inside the server and skewed as real ones are.

Few items and units take most, 93 in 100 events have ended, the open ones are the recent ones. Only what lists read is
there: timelines carry no chain, identities nothing sealed. Lives in a jurisdiction of its own.
"""

from dataclasses import dataclass
from typing import Any

from app.core.ids import uuid7
from app.core.timing import now

JURISDICTION = "900001"
STREETS, COMMUNITIES, ITEMS, UNITS, DAYS = 10, 30, 300, 150, 400

CENTRE, COLLECTORS = "C-900001", "INSPECT-900001"


def unit_code(number: int) -> str:
    """Code of the unit with this rank, the busiest first."""
    return f"U-{number:03d}"


def street_code(number: int) -> str:
    """Code of the street with this rank."""
    return f"{JURISDICTION}{number + 1:03d}"


def community_code(street: int, number: int) -> str:
    """Code of a community by its ranks."""
    return f"{street_code(street)}{number + 1:03d}"


def item_key(number: int) -> str:
    """Key of the item with this rank."""
    return f"BENCH/matter/{number:05d}"


def masters() -> dict[str, dict[str, Any]]:
    """The smallest releases in which all that the events name can be looked up."""
    units = {
        unit_code(n): {
            "code": unit_code(n),
            "name": f"承办单位{n:03d}",
            "level": "district",
            "org_type": "department",
            # a few units have sections, so that a seat covers several
            "parent_code": unit_code(n - n % 10) if n % 10 and n >= 100 else None,
            "area_code": JURISDICTION,
        }
        for n in range(UNITS)
    }
    for code, name, kind in ((CENTRE, "指挥中心", "centre"), (COLLECTORS, "核查队", "inspection_team")):
        units[code] = {"code": code, "name": name, "level": "district", "org_type": kind, "area_code": JURISDICTION}
    areas: dict[str, Any] = {JURISDICTION: {"code": JURISDICTION, "name": "测量区", "level": "district"}}
    for s in range(STREETS):
        street = street_code(s)
        areas[street] = {"code": street, "name": f"街道{s}", "level": "street", "parent_code": JURISDICTION}
        for c in range(COMMUNITIES):
            code = community_code(s, c)
            areas[code] = {"code": code, "name": f"社区{s}-{c}", "level": "community", "parent_code": street}
    items = {
        item_key(n): {
            "standard_ref": "BENCH",
            "kind": "matter",
            "code": f"{n:05d}",
            "name": f"事项{n:05d}",
            "domain": f"domain_{n % 12}",
            "default_level": "district",
            "closure_profile": "both",
        }
        for n in range(ITEMS)
    }
    return {"organizations": units, "areas": areas, "items": items}


@dataclass(frozen=True, slots=True)
class Seating:
    """One account of the measurement and what it sees."""

    name: str
    role: str
    area: str | None = None
    units: tuple[str, ...] = ()


#: scopes of a thousandth, a tenth and all of the events, and three units
SEATINGS = (
    Seating("all", "dispatcher", area=JURISDICTION),
    Seating("street", "supervisor", area=street_code(2)),
    Seating("community", "supervisor", area=community_code(6, 20)),
    Seating("units", "unit_liaison", units=(unit_code(0), unit_code(7), unit_code(60))),
)


def user_values(seating: Seating, jurisdiction_id: int, org_ids: dict[str, int]) -> dict[str, Any]:
    """Parameters of ``USER``."""
    return {
        "id": uuid7(),
        "jurisdiction": jurisdiction_id,
        "name": f"bench-{seating.name}",
        "org": org_ids[seating.units[0] if seating.units else CENTRE],
        "role": seating.role,
        "area": seating.area,
        "units": [org_ids[code] for code in seating.units] or [None],
        "at": now(),
    }


USER = """
WITH made AS (
  INSERT INTO user_account (id, jurisdiction_id, username, display_name, org_id)
  VALUES (:id, :jurisdiction, :name, :name, :org) RETURNING id)
INSERT INTO seat (user_id, role, scope_area, scope_org_id, since)
SELECT made.id, :role, :area, u, CAST(:at AS timestamptz) FROM made, unnest(CAST(:units AS integer[])) AS u
"""

# The numbers of a row come from random() under a fixed seed; ``power(random(), k)`` makes few values take most.
BASE = """
CREATE UNLOGGED TABLE bench_base AS
WITH numbers AS (
  SELECT g, CAST(:until AS timestamptz)
           - make_interval(secs => (CAST(:count AS int) - g) * 86400.0 * {days} / CAST(:count AS int)) AS received_at,
         floor({items} * power(random(), 3))::int AS item, floor({units} * power(random(), 2.5))::int AS unit,
         floor({units} * random())::int AS other, floor({streets} * power(random(), 1.3))::int AS street,
         floor({communities} * power(random(), 2))::int AS community, random() AS a, random() AS b, random() AS c,
         random() AS d, random() AS e
  FROM generate_series(1, CAST(:count AS int)) g
), told AS (
  SELECT *, extract(epoch FROM CAST(:until AS timestamptz) - received_at) / 86400 AS age,
    CASE WHEN a < .55 THEN 'hotline-12345' WHEN a < .70 THEN 'police-110' ELSE 'snapshot' END AS channel
  FROM numbers
), ended AS (
  SELECT *, b < exp(-age / 28) AS open, channel = 'hotline-12345' AND c < .5 AND b >= exp(-age / 28) AS direct FROM told
)
SELECT g, received_at, item, unit, CASE WHEN other = unit THEN (other + 1) % {units} ELSE other END AS other, channel,
  (lpad(to_hex((extract(epoch FROM received_at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(g % 4096), 3, '0')
    || '8' || substr(md5(g::text), 1, 15))::uuid AS id,
  '{jurisdiction}' || lpad((street + 1)::text, 3, '0') AS street_code,
  '{jurisdiction}' || lpad((street + 1)::text, 3, '0') || lpad((community + 1)::text, 3, '0') AS community_code,
  CASE WHEN open THEN CASE WHEN d < .10 THEN 'analyzing' WHEN d < .74 THEN 'handling' WHEN d < .84 THEN 'verifying'
                           WHEN d < .94 THEN 'answering' ELSE 'closing' END
       WHEN direct OR d < .92 THEN 'closed' WHEN d < .96 THEN 'not_accepted' WHEN d < .98 THEN 'handed_over'
       ELSE 'cancelled' END AS state,
  open, direct, a, b, c, d, e,
  CASE WHEN channel = 'snapshot' THEN NULL WHEN c < .40 THEN 'help' WHEN c < .75 THEN 'complaint'
       WHEN c < .90 THEN 'inquiry' WHEN c < .95 THEN 'suggestion' WHEN c < .99 THEN 'accusation' ELSE 'praise' END
    AS demand_type,
  NOT direct AND NOT (open AND d < .10) AND NOT (NOT open AND d >= .92 AND d < .96) AS dispatched
FROM ended
"""

EVENT = """
INSERT INTO event (id, jurisdiction_id, event_no, seq, head, head_n, head_tag, state, end_kind, ended_at, settled_at,
  triage, item_id, closure_profile, demand_type, domain, level, urgency, channel, district_code, street_code,
  community_code, address, title, lead_unit_id, report_count, received_at, release_vector, lon, lat, place_bucket)
SELECT b.id, :jurisdiction, 'B-' || lpad(b.g::text, 10, '0'), 40, '\\x00', 5, '\\x00', b.state,
  CASE WHEN b.open THEN NULL WHEN b.direct THEN 'answered_directly' WHEN b.state = 'closed' THEN 'handled' ELSE 'other'
    END,
  CASE WHEN NOT b.open THEN b.received_at + make_interval(hours => (1 + 90 * b.e)::int) END,
  CASE WHEN NOT b.open THEN b.received_at + make_interval(hours => (1 + 90 * b.e)::int) END,
  CASE WHEN b.state = 'analyzing' AND b.e < .6 THEN CASE WHEN b.e < .4 THEN 'item_uncertain' ELSE 'no_rule' END END,
  (SELECT ids[b.item + 1] FROM bench_items), 'both', b.demand_type, 'domain_' || b.item % 12,
  CASE WHEN b.e < .1 THEN 'grid' WHEN b.e < .4 THEN 'street' WHEN b.e < .9 THEN 'district' ELSE 'city' END,
  CASE WHEN b.c < .03 THEN 'critical' WHEN b.c < .15 THEN 'urgent' ELSE 'normal' END, b.channel, '{jurisdiction}',
  b.street_code, b.community_code, '测量路' || b.g % 900 || '号', '事项' || b.item || '，第' || b.g || '件的标题文字',
  CASE WHEN b.dispatched THEN (SELECT ids[b.unit + 1] FROM bench_units) END, 1 + (b.e < .12)::int, b.received_at,
  '{{}}', 118 + b.a / 10, 32 + b.b / 10,
  floor((118 + b.a / 10) * 1000)::bigint * 1000000 + floor((32 + b.b / 10) * 1000)
FROM bench_base b ORDER BY b.g
"""

REPORTS = """
INSERT INTO report (id, jurisdiction_id, client_id, channel, source_ref, kind, demand_type, state, seq, title, content,
  address, anonymous, confidential, reply_wanted, occurred_at, received_at)
SELECT bench_report_id(b.id, k), :jurisdiction, :client, b.channel, b.g || '-' || k,
  CASE WHEN b.demand_type IS NULL THEN 'finding' ELSE 'demand' END, b.demand_type,
  CASE WHEN b.open THEN 'open' ELSE 'settled' END, 3, '第' || b.g || '件', repeat('反映的情况说明文字，', 8),
  '测量路' || b.g % 900 || '号', b.e > .9, b.e BETWEEN .2 AND .25, true, b.received_at,
  b.received_at + make_interval(mins => 20 * (k - 1))
FROM bench_base b, generate_series(1, 1 + (b.e < .12)::int) k ORDER BY b.g
"""

REPORT_LINKS = """
INSERT INTO event_report (event_id, report_id, joined_at, cause)
SELECT b.id, bench_report_id(b.id, k), b.received_at, CASE WHEN k = 1 THEN 'first' ELSE 'same_place' END
FROM bench_base b, generate_series(1, 1 + (b.e < .12)::int) k ORDER BY b.g
"""

IDENTITIES = """
INSERT INTO report_identity (report_id, sealed, masked_name, masked_phone)
SELECT bench_report_id(id, 1), '\\x00', '测*', '138****0000' FROM bench_base WHERE e <= .9 ORDER BY g
"""

DEBTS = """
INSERT INTO debt (report_id, n, kind, owed_at, paid_at)
SELECT bench_report_id(id, 1), k.n, k.kind, received_at, CASE WHEN NOT open THEN received_at + interval '2 days' END
FROM bench_base, (VALUES (1, 'result'), (2, 'reply'), (3, 'callback')) AS k(n, kind) ORDER BY g
"""

# One lead order each, a supporting one for a fifth, a returned one before it for a twentieth.
ORDERS = """
INSERT INTO work_order (event_id, n, jurisdiction_id, unit_id, role, state, round, item_id, district_code, street_code,
  community_code, channel, urgency, decision_n, dispatched_at, signed_at, signed_automatically, first_contact_at,
  started_at, reported_done_at, result, ended_at)
SELECT b.id, k.n, :jurisdiction, (SELECT ids[CASE WHEN k.n = 7 THEN b.unit ELSE b.other END + 1] FROM bench_units),
  CASE WHEN k.n = 8 THEN 'supporting' ELSE 'lead' END,
  CASE WHEN k.n = 6 THEN 'returned' WHEN NOT b.open THEN 'completed' WHEN b.state <> 'handling' THEN 'reported_done'
       WHEN b.e < .3 THEN 'dispatched' WHEN b.e < .6 THEN 'signed' ELSE 'handling' END,
  1 + (b.e < .06)::int, (SELECT ids[b.item + 1] FROM bench_items), '{jurisdiction}', b.street_code, b.community_code,
  b.channel,
  CASE WHEN b.c < .03 THEN 'critical' WHEN b.c < .15 THEN 'urgent' ELSE 'normal' END, 3,
  b.received_at + interval '5 minutes', b.received_at + interval '1 hour', b.e < .2,
  b.received_at + interval '2 hours', b.received_at + interval '3 hours',
  CASE WHEN b.state <> 'handling' THEN b.received_at + interval '20 hours' END,
  CASE WHEN NOT b.open THEN CASE WHEN b.e < .7 THEN 'resolved' ELSE 'explained' END END,
  CASE WHEN k.n = 6 OR NOT b.open THEN b.received_at + make_interval(hours => (1 + 90 * b.e)::int) END
FROM bench_base b, generate_series(6, 8) k(n)
WHERE b.dispatched AND (k.n = 7 OR (k.n = 8 AND b.c < .2) OR (k.n = 6 AND b.d < .05)) ORDER BY b.g
"""

PARTICIPANTS = """
INSERT INTO event_participant (event_id, n, org_id, role, since, until)
SELECT event_id, n + 10, unit_id, role, dispatched_at, CASE WHEN n = 6 THEN ended_at END FROM work_order
WHERE jurisdiction_id = :jurisdiction
"""

INSPECTIONS = """
INSERT INTO inspection (event_id, n, jurisdiction_id, order_n, round, state, requested_at, ended_at)
SELECT id, 30, :jurisdiction, 7, 1, CASE WHEN state = 'verifying' THEN 'requested' ELSE 'passed' END,
  received_at + interval '21 hours', CASE WHEN state <> 'verifying' THEN received_at + interval '30 hours' END
FROM bench_base WHERE dispatched AND (state = 'verifying' OR (NOT open AND e < .4)) ORDER BY g
"""

CLOCKS = """
INSERT INTO clock (event_id, n, jurisdiction_id, kind, state, order_n, report_id, unit_id, item_id, district_code,
  street_code, community_code, channel, limit_value, limit_unit, calendar_code, given_back, rule, started_at,
  generation, due_at, assumed, ended_at)
SELECT b.id, k.n, :jurisdiction, k.kind, CASE WHEN r.running THEN 'running' ELSE 'met' END,
  CASE WHEN k.n > 20 THEN 7 END, CASE WHEN k.n = 20 THEN bench_report_id(b.id, 1) END,
  CASE WHEN k.n > 20 THEN (SELECT ids[b.unit + 1] FROM bench_units) END, (SELECT ids[b.item + 1] FROM bench_items),
  '{jurisdiction}', b.street_code, b.community_code, b.channel, 5, 'work_day', 'cn', 'covered', 'bench',
  b.received_at, 1, b.received_at + make_interval(hours => k.hours + (24 * b.c)::int), false,
  CASE WHEN NOT r.running THEN b.received_at + make_interval(hours => (k.hours * (.4 + .7 * b.e))::int) END
FROM bench_base b
CROSS JOIN (VALUES (20, 'citizen_total', 160), (21, 'signing', 2), (22, 'handling', 72), (23, 'first_contact', 24))
  AS k(n, kind, hours)
CROSS JOIN LATERAL (SELECT b.open AND (k.n = 20 OR (b.state = 'handling' AND (k.n = 22 OR b.e < .3))) AS running) r
WHERE k.n = 20 OR (b.dispatched AND (k.n < 23 OR b.demand_type IS NOT NULL)) ORDER BY b.g
"""

CLOCK_DUES = """
INSERT INTO clock_due (event_id, clock_n, generation, due_at, cause, since_at, timeline_n, limit_value, limit_unit,
  grounds)
SELECT event_id, n, 1, due_at, 'started', started_at, 1, limit_value, limit_unit, ''
FROM clock WHERE jurisdiction_id = :jurisdiction
"""

TIMELINES = """
INSERT INTO timeline (event_id, n, jurisdiction_id, xact_id, act, subject, subject_n, report_id, from_state, to_state,
  actor_kind, acted_at, recorded_at, data, mac)
SELECT b.id, k.n, :jurisdiction, (100 + b.g / 2000)::text::xid8, k.act, k.subject,
  CASE WHEN k.subject = 'work_order' THEN 7 END, CASE WHEN k.subject = 'report' THEN bench_report_id(b.id, 1) END,
  NULL, k.to_state, 'system', b.received_at + make_interval(hours => k.n), b.received_at + make_interval(hours => k.n),
  '{{}}', '\\x00'
FROM bench_base b, (VALUES (1, 'received', 'report', NULL), (2, 'analyzed', 'report', NULL),
  (3, 'dispatch', 'event', 'handling'), (4, 'sign_for', 'work_order', 'signed'), (5, 'close', 'event', 'closed'))
  AS k(n, act, subject, to_state) ORDER BY b.g, k.n
"""

CALLBACKS = """
INSERT INTO callback (report_id, n, event_id, called_at, reached, contacted, resolved, satisfaction_level,
  satisfaction_scale, satisfied)
SELECT bench_report_id(id, 1), 9, id, received_at + interval '4 days', true, e < .95, e < .8, 1 + floor(5 * e)::int,
  'five', e < .6
FROM bench_base WHERE dispatched AND NOT open AND demand_type IS NOT NULL ORDER BY g
"""

PREPARE = (
    "CREATE FUNCTION bench_report_id(id uuid, k int) RETURNS uuid LANGUAGE sql IMMUTABLE AS "
    "$$ SELECT (substr(id::text, 1, 35) || CASE WHEN k = 1 THEN 'e' ELSE 'f' END)::uuid $$",
    "SELECT setseed(0.42)",
)

#: (what, statement) in order
STEPS = (
    ("事件底稿", BASE),
    ("事件", EVENT),
    ("诉求", REPORTS),
    ("并单关系", REPORT_LINKS),
    ("诉求人", IDENTITIES),
    ("欠账", DEBTS),
    ("工单", ORDERS),
    ("参与单位", PARTICIPANTS),
    ("核查", INSPECTIONS),
    ("时限", CLOCKS),
    ("到期时间", CLOCK_DUES),
    ("时间线", TIMELINES),
    ("回访", CALLBACKS),
)


def statement(sql: str) -> str:
    """A step with its constants filled in."""
    filled = sql.format(
        items=ITEMS, units=UNITS, streets=STREETS, communities=COMMUNITIES, days=DAYS, jurisdiction=JURISDICTION
    )
    return filled.replace(":jurisdiction", "CAST(:jurisdiction AS smallint)").replace(
        ":client", "CAST(:client AS integer)"
    )
