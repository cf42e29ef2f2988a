-- Features of a half hour at sea, from the readings that were known when it came: one row for each row of `moments`.
--
-- A clock of half hours keeps it point in time: a reading counts from the first half hour at or after its
-- _available_at (three hours after it was taken), and a moment looks back from its own half hour.
WITH stream AS (  -- readings and the moments that look at them in one stream, so that a look-up is a running window
  SELECT
    station, CAST(NULL AS STRING) AS moment, CAST(NULL AS TIMESTAMP) AS at,
    CAST(ceil(unix_seconds(_available_at) / 1800) AS BIGINT) AS half_hour,
    temperature, at AS taken
  FROM readings
  UNION ALL
  SELECT
    station, moment, at,
    CAST(floor(unix_seconds(at) / 1800) AS BIGINT) AS half_hour,
    CAST(NULL AS DOUBLE) AS temperature, CAST(NULL AS TIMESTAMP) AS taken
  FROM moments
),
looked_up AS (
  SELECT
    *,
    max_by(temperature, taken) OVER last_6h AS latest,
    avg(temperature) OVER two_hours_before AS earlier,
    avg(temperature) OVER two_tides AS mean,
    avg(temperature) OVER one_tide_ago AS tide_ago,
    avg(temperature) OVER before_that AS tide_ago_before,
    avg(temperature) OVER one_day_ago AS day_ago,
    avg(temperature) OVER day_before_that AS day_ago_before
  FROM stream
  WINDOW
    last_6h AS (PARTITION BY station ORDER BY half_hour RANGE BETWEEN 11 PRECEDING AND CURRENT ROW),
    two_hours_before AS (PARTITION BY station ORDER BY half_hour RANGE BETWEEN 4 PRECEDING AND 4 PRECEDING),
    two_tides AS (PARTITION BY station ORDER BY half_hour RANGE BETWEEN 49 PRECEDING AND CURRENT ROW),
    -- what was taken 12 h 30 min (a tide) before the moment has been known for 9 h 30 min, and so on
    one_tide_ago AS (PARTITION BY station ORDER BY half_hour RANGE BETWEEN 19 PRECEDING AND 19 PRECEDING),
    before_that AS (PARTITION BY station ORDER BY half_hour RANGE BETWEEN 25 PRECEDING AND 25 PRECEDING),
    one_day_ago AS (PARTITION BY station ORDER BY half_hour RANGE BETWEEN 42 PRECEDING AND 42 PRECEDING),
    day_before_that AS (PARTITION BY station ORDER BY half_hour RANGE BETWEEN 48 PRECEDING AND 48 PRECEDING)
)
SELECT
  moment,
  at,
  IF(hour(at) BETWEEN 9 AND 23, 'day', 'night') AS light,  -- in UTC: the sun rises at 9 and sets at midnight in June
  sin(pi() * half_hour / 24) AS day_sin,                   -- the time of day, on a circle of 48 half hours
  cos(pi() * half_hour / 24) AS day_cos,
  latest,
  mean,
  latest - earlier AS slope,
  tide_ago - tide_ago_before AS tide_change,               -- what the same three hours brought a tide ago
  day_ago - day_ago_before AS day_change                   -- and a day ago
FROM looked_up
WHERE moment IS NOT NULL
