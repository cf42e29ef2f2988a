-- Features of a flight, from what is known at its scheduled moment: one row for each row of `schedule`.
--
-- Point in time: a view's column `_available_at` is the moment from which its row may be used (event_time plus the
-- source's available_after); a flight may use only what was available at or before its own scheduled_at. Clocks see to
-- that: an outcome counts from the first tick at or after its _available_at, and a flight looks back from the last tick
-- at or before its scheduled_at. Ticks are numbered since 1970: `week` (7 days), `day`, `quarter` (6 hours), `hour`.
--
-- A share of late flights over the last N ticks: count each tick's outcomes, let each count hold for the N ticks from
-- which it is seen, add up what is seen from a tick, and join that small table to the flights. No wide window, no sort.
WITH outcome AS (
  SELECT
    carrier, flight, origin, dest,
    CAST(arr_delay >= 15 AS INT) AS late,
    CAST(ceil(unix_seconds(_available_at) / 604800) AS INT) AS week,
    CAST(ceil(unix_seconds(_available_at) / 86400) AS INT) AS day,
    CAST(ceil(unix_seconds(_available_at) / 21600) AS INT) AS quarter
  FROM actuals
  WHERE arr_delay IS NOT NULL
),
origin_28d AS (
  SELECT origin, seen AS day, sum(late) AS late, sum(n) AS n
  FROM (SELECT origin, day, sum(late) AS late, count(*) AS n FROM outcome GROUP BY origin, day)
  LATERAL VIEW explode(sequence(day, day + 27)) AS seen
  GROUP BY origin, seen
),
origin_24h AS (
  SELECT origin, seen AS quarter, sum(late) AS late, sum(n) AS n
  FROM (SELECT origin, quarter, sum(late) AS late, count(*) AS n FROM outcome GROUP BY origin, quarter)
  LATERAL VIEW explode(sequence(quarter, quarter + 3)) AS seen
  GROUP BY origin, seen
),
route_28d AS (
  SELECT origin, dest, seen AS day, sum(late) AS late, sum(n) AS n
  FROM (SELECT origin, dest, day, sum(late) AS late, count(*) AS n FROM outcome GROUP BY origin, dest, day)
  LATERAL VIEW explode(sequence(day, day + 27)) AS seen
  GROUP BY origin, dest, seen
),
dest_24h AS (
  SELECT dest, seen AS quarter, sum(late) AS late, sum(n) AS n
  FROM (SELECT dest, quarter, sum(late) AS late, count(*) AS n FROM outcome GROUP BY dest, quarter)
  LATERAL VIEW explode(sequence(quarter, quarter + 3)) AS seen
  GROUP BY dest, seen
),
carrier_28d AS (
  SELECT carrier, seen AS day, sum(late) AS late, sum(n) AS n
  FROM (SELECT carrier, day, sum(late) AS late, count(*) AS n FROM outcome GROUP BY carrier, day)
  LATERAL VIEW explode(sequence(day, day + 27)) AS seen
  GROUP BY carrier, seen
),
carrier_24h AS (
  SELECT carrier, seen AS quarter, sum(late) AS late, sum(n) AS n
  FROM (SELECT carrier, quarter, sum(late) AS late, count(*) AS n FROM outcome GROUP BY carrier, quarter)
  LATERAL VIEW explode(sequence(quarter, quarter + 3)) AS seen
  GROUP BY carrier, seen
),
number_3w AS (
  SELECT carrier, flight, origin, seen AS week, sum(late) AS late, sum(n) AS n
  FROM (SELECT carrier, flight, origin, week, sum(late) AS late, count(*) AS n FROM outcome GROUP BY carrier, flight, origin, week)
  LATERAL VIEW explode(sequence(week, week + 2)) AS seen
  GROUP BY carrier, flight, origin, seen
),
flights AS (
  SELECT
    *,
    CAST(floor(unix_seconds(scheduled_at) / 604800) AS INT) AS week,
    CAST(floor(unix_seconds(scheduled_at) / 86400) AS INT) AS day,
    CAST(floor(unix_seconds(scheduled_at) / 21600) AS INT) AS quarter,
    CAST(floor(unix_seconds(scheduled_at) / 3600) AS BIGINT) AS hour,
    from_utc_timestamp(scheduled_at, 'America/New_York') AS local_time,
    -- crowding: departures scheduled from here in the hour up to this one
    count(*) OVER (
      PARTITION BY origin ORDER BY unix_seconds(scheduled_at) RANGE BETWEEN 3599 PRECEDING AND CURRENT ROW
    ) AS departures_1h,
    lag(scheduled_at) OVER (PARTITION BY tailnum ORDER BY scheduled_at, flight_id) AS plane_before
  FROM schedule
)
SELECT /*+ BROADCAST(o, o24, r, d24, c, c24, n, s, p) */
  f.flight_id,
  f.scheduled_at,
  f.carrier,
  f.origin,
  f.distance,
  f.sched_dep_time DIV 100 * 60 + f.sched_dep_time % 100 AS minute_of_day,
  date_format(f.local_time, 'E') AS weekday,
  f.departures_1h,
  IF(f.tailnum IS NULL, NULL, (unix_seconds(f.scheduled_at) - unix_seconds(f.plane_before)) / 3600) AS plane_back_hours,
  year(f.local_time) - p.year AS plane_age,
  CASE
    WHEN p.tailnum IS NULL THEN 'unknown'
    WHEN p.manufacturer LIKE 'AIRBUS%' THEN 'airbus'
    WHEN p.manufacturer = 'BOEING' THEN 'boeing'
    WHEN p.manufacturer LIKE 'MCDONNELL%' THEN 'mcdonnell'
    WHEN p.manufacturer LIKE 'BOMBARDIER%' OR p.manufacturer = 'CANADAIR' THEN 'bombardier'
    WHEN p.manufacturer LIKE 'EMBRAER%' THEN 'embraer'
    ELSE 'other'
  END AS maker,
  ((coalesce(o.late, 0) + 4) / (coalesce(o.n, 0) + 20)) AS origin_late_28d,
  (coalesce(o24.late, 0) + 20 * ((coalesce(o.late, 0) + 4) / (coalesce(o.n, 0) + 20))) / (coalesce(o24.n, 0) + 20) AS origin_late_24h,
  (coalesce(r.late, 0) + 20 * ((coalesce(o.late, 0) + 4) / (coalesce(o.n, 0) + 20))) / (coalesce(r.n, 0) + 20) AS route_late_28d,
  (coalesce(d24.late, 0) + 20 * ((coalesce(o.late, 0) + 4) / (coalesce(o.n, 0) + 20))) / (coalesce(d24.n, 0) + 20) AS dest_late_24h,
  (coalesce(c.late, 0) + 20 * ((coalesce(o.late, 0) + 4) / (coalesce(o.n, 0) + 20))) / (coalesce(c.n, 0) + 20) AS carrier_late_28d,
  (coalesce(c24.late, 0) + 20 * ((coalesce(o.late, 0) + 4) / (coalesce(o.n, 0) + 20))) / (coalesce(c24.n, 0) + 20) AS carrier_late_24h,
  (coalesce(n.late, 0) + 20 * ((coalesce(o.late, 0) + 4) / (coalesce(o.n, 0) + 20))) / (coalesce(n.n, 0) + 20) AS number_late_3w,
  s.temp,
  s.humid,
  s.dew_spread,
  s.visib,
  s.wind_speed,
  s.gust,
  s.wind_north,
  s.wind_east,
  s.pressure,
  s.pressure_change,
  s.gust_6h,
  s.precip_6h
FROM flights AS f
LEFT JOIN origin_28d AS o ON o.origin = f.origin AND o.day = f.day
LEFT JOIN origin_24h AS o24 ON o24.origin = f.origin AND o24.quarter = f.quarter
LEFT JOIN route_28d AS r ON r.origin = f.origin AND r.dest = f.dest AND r.day = f.day
LEFT JOIN dest_24h AS d24 ON d24.dest = f.dest AND d24.quarter = f.quarter
LEFT JOIN carrier_28d AS c ON c.carrier = f.carrier AND c.day = f.day
LEFT JOIN carrier_24h AS c24 ON c24.carrier = f.carrier AND c24.quarter = f.quarter
LEFT JOIN number_3w AS n ON n.carrier = f.carrier AND n.flight = f.flight AND n.origin = f.origin AND n.week = f.week
LEFT JOIN sky AS s ON s.origin = f.origin AND s.hour = f.hour
LEFT JOIN planes AS p ON p.tailnum = f.tailnum
