# Residuals, leverage and influence of two logistic regressions, as R gives them.
# Rscript tests/reference_values/diagnostics.R > tests/reference_values/diagnostics.json
library(jsonlite)

all_of <- function(fit) list(
  params = unname(coef(fit)),
  response = unname(residuals(fit, type = "response")),
  pearson = unname(residuals(fit, type = "pearson")),
  deviance = unname(residuals(fit, type = "deviance")),
  working = unname(residuals(fit, type = "working")),
  leverage = unname(hatvalues(fit)),
  standardized_deviance = unname(rstandard(fit)),
  standardized_pearson = unname(rstandard(fit, type = "pearson")),
  cook = unname(cooks.distance(fit))
)
tight <- glm.control(epsilon = 1e-15, maxit = 100)
columns <- c("age", "parity", "induced", "spontaneous")
weight <- seq(0.2, 1.8, length.out = nrow(infert))
plain <- glm(case ~ age + parity + induced + spontaneous, binomial, infert,
             control = tight)
weighted <- suppressWarnings(glm(
  case ~ age + parity + induced + spontaneous, binomial, infert, weights = weight,
  control = tight))
cat(toJSON(list(
  R = R.version.string, X = unname(as.matrix(infert[columns])), y = infert$case,
  weight = weight, plain = all_of(plain), weighted = all_of(weighted)
), digits = NA, auto_unbox = TRUE))
