# The tests store in a warehouse of their own. Without the command sfx they fail: nothing was tested.
Sys.setenv(SFX_WAREHOUSE = paste0("embedded://", tempfile("warehouse")))

sold <- data.frame(item = c("hat", "shoe", NA), price = c(19.5, NA, NaN), n = c(1L, NA, 3L))

refusal <- function(code) tryCatch({
  code
  NULL
}, sfx_error = identity)
