# Mean delay of each carrier, and how it grows with the distance: as a process, which reads the pin in
# FLIGHTS and whose last line is its own pin, or as a job, in a container.
library(sfx)

is_job <- nzchar(Sys.getenv("SFX_JOB"))
columns <- c("carrier", "distance", "dep_delay")
flights <- if (is_job) sf_job_inputs(int64 = "double")$flights[columns] else
  sf_reader(pin = Sys.getenv("FLIGHTS"), int64 = "double", columns = columns)
flights <- flights[!is.na(flights$dep_delay), ]

slope <- vapply(split(flights, flights$carrier), function(one) {
  if (length(unique(one$distance)) < 2) NA else coef(lm(dep_delay ~ distance, one))[["distance"]]
}, 0)
delay <- tapply(flights$dep_delay, flights$carrier, mean)
report <- data.frame(carrier = names(delay), delay = as.vector(delay), per_mile = unname(slope[names(delay)]))

if (is_job) {
  sf_job_store(report)
} else {
  pin <- sf_writer(data = report, namespace = "nyc", resource = "report_in_r",
    partitions = Sys.getenv("DAY"), partition_keys = "date", inputs = Sys.getenv("FLIGHTS"),
    reason = "nightly report")
  cat(as.character(pin), "\n")
}
