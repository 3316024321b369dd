library(testthat)
library(sfx)

test_check("sfx")
