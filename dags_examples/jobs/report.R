# Mean delay of each carrier, and how it grows with the distance. The last line is the pin.
library(sfx)

day <- Sys.getenv("DAY")
flights <- sf_reader(pin = Sys.getenv("FLIGHTS"), int64 = "double",
  columns = c("carrier", "distance", "dep_delay"))
flights <- flights[!is.na(flights$dep_delay), ]

slope <- vapply(split(flights, flights$carrier), function(one) {
  if (length(unique(one$distance)) < 2) NA else coef(lm(dep_delay ~ distance, one))[["distance"]]
}, 0)
delay <- tapply(flights$dep_delay, flights$carrier, mean)
report <- data.frame(carrier = names(delay), delay = as.vector(delay), per_mile = unname(slope[names(delay)]))

pin <- sf_writer(data = report, namespace = "nyc", resource = "report_in_r", partitions = day,
  partition_keys = "date", inputs = Sys.getenv("FLIGHTS"), reason = "nightly report")
cat(as.character(pin), "\n")
