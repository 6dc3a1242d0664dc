# Coefficients and standard errors where rows are left out for another column's NA:
# R lays out scale() and bs() by all rows of x. Run: Rscript dropped_rows.R
library(jsonlite)
library(splines)
i <- 0:199
d <- data.frame(y = as.integer((i * 7 + i %/% 11) %% 3 == 0), x = sin(i) + i / 100, z = cos(3 * i))
d$z[i < 50] <- NA
d$x[i == 60] <- NA
values <- function(formula) {
  fit <- glm(formula, binomial, d, epsilon = 1e-14, maxit = 50)
  list(params = unname(coef(fit)), bse = unname(sqrt(diag(vcov(fit)))), nobs = nobs(fit))
}
out <- list(scale = values(y ~ scale(x) + z), bs = values(y ~ bs(x, knots = 1) + z))
write_json(out, "dropped_rows.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
