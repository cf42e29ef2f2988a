-- The weather as it was known: one row an airport and full hour, for up to 6 hours after an observation came in.
--
-- `hour` counts full hours since 1970, as in features.sql. An observation takes effect at the first full hour at or
-- after its _available_at, and holds until a newer one does, or until it is 6 hours old: then it says nothing any more.
WITH observed AS (
  SELECT
    *,
    CAST(ceil(unix_micros(_available_at) / 3600000000) AS BIGINT) AS known_hour,
    coalesce(wind_gust, wind_speed) AS gust  -- no gust is reported when the wind is steady
  FROM weather
),
held AS (
  SELECT
    *,
    lead(known_hour) OVER (PARTITION BY origin ORDER BY known_hour, observed_at) AS next_hour,
    last(pressure, true) OVER six_hours AS last_pressure,
    first(pressure, true) OVER six_hours AS first_pressure,
    max(gust) OVER six_hours AS gust_6h,
    sum(precip) OVER six_hours AS precip_6h
  FROM observed
  WINDOW six_hours AS (PARTITION BY origin ORDER BY unix_seconds(observed_at) RANGE BETWEEN 21599 PRECEDING AND CURRENT ROW)
)
SELECT
  origin,
  explode(sequence(known_hour, least(known_hour + 5, coalesce(next_hour - 1, known_hour + 5)))) AS hour,
  temp,
  humid,
  temp - dewp AS dew_spread,  -- near nought: fog
  visib,
  wind_speed,
  gust,
  wind_speed * cos(radians(coalesce(wind_dir, 0))) AS wind_north,
  wind_speed * sin(radians(coalesce(wind_dir, 0))) AS wind_east,
  last_pressure AS pressure,
  last_pressure - first_pressure AS pressure_change,
  gust_6h,
  precip_6h
FROM held
WHERE next_hour IS NULL OR next_hour > known_hour  -- of two that come into effect together, the later one counts
