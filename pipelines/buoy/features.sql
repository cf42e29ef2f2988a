-- Features of a half hour at sea, from the readings that were known when it came: one row for each row of `moments`.
--
-- A clock of half hours keeps it point in time: a reading counts from the first half hour at or after its
-- _available_at (a day after it was taken), and a moment looks back from its own half hour.
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
    min_by(temperature, taken) OVER last_hour AS hour_earlier,
    avg(temperature) OVER last_day AS day_mean,
    min(temperature) OVER last_day AS day_low,
    max(temperature) OVER last_day AS day_high,
    avg(temperature) OVER day_before AS day_before_mean,
    avg(temperature) OVER last_5_days AS five_day_mean
  FROM stream
  WINDOW
    last_6h AS (PARTITION BY station ORDER BY half_hour RANGE BETWEEN 11 PRECEDING AND CURRENT ROW),
    last_hour AS (PARTITION BY station ORDER BY half_hour RANGE BETWEEN 2 PRECEDING AND CURRENT ROW),
    last_day AS (PARTITION BY station ORDER BY half_hour RANGE BETWEEN 47 PRECEDING AND CURRENT ROW),
    day_before AS (PARTITION BY station ORDER BY half_hour RANGE BETWEEN 95 PRECEDING AND 48 PRECEDING),
    last_5_days AS (PARTITION BY station ORDER BY half_hour RANGE BETWEEN 239 PRECEDING AND CURRENT ROW)
)
SELECT
  moment,
  at,
  IF(hour(at) BETWEEN 9 AND 21, 'day', 'night') AS light,  -- UTC; the Gulf of Maine is four to five hours behind
  sin(pi() * half_hour / 24) AS day_sin,                   -- the time of day on a circle of 48 half hours
  cos(pi() * half_hour / 24) AS day_cos,
  sin(pi() * half_hour / 12.42) AS tide_sin,               -- the tide, on a circle of 12 hours and 25 minutes
  cos(pi() * half_hour / 12.42) AS tide_cos,
  latest,
  hour_earlier - latest AS tide_lag,  -- two tides take 24 h 50 min: the same point of the tide lies 50 min further back
  day_mean,
  day_high - day_low AS day_range,
  day_mean - day_before_mean AS day_trend,
  day_mean - five_day_mean AS five_day_trend
FROM looked_up
WHERE moment IS NOT NULL
