# Rscript trials.R > trials.json
# Grouped binomial rows in R, on the budworms that a dose killed (Venables and Ripley 2002,
# section 7.2), with some more in a dose.
suppressMessages({library(MASS); library(jsonlite)})
data <- data.frame(ldose = rep(0:5, 2), male = rep(1:0, each = 6),
                   dead = c(1, 4, 9, 13, 18, 20, 0, 2, 6, 10, 12, 16),
                   n = 20 + c(0, 1, 2, 0, 0, 0, 3, 0, 0, 5, 0, 0))
control <- glm.control(epsilon = 1e-15, maxit = 100)
grouped <- glm(cbind(dead, n - dead) ~ ldose + male, binomial, data, control = control)
rows <- data[rep(seq_len(nrow(data)), data$n), ]
rows$y <- unlist(mapply(function(s, n) rep(c(1, 0), c(s, n - s)), data$dead, data$n))
single <- glm(y ~ ldose + male, binomial, rows, control = control)
cat(toJSON(list(program = R.version.string, data = data,
                coef = unname(coef(grouped)), cov = unname(vcov(grouped)),
                deviance = deviance(grouped), null_deviance = grouped$null.deviance,
                lrt = drop1(grouped, test = "LRT")$LRT[-1],
                p = unname(fitted(grouped)),
                single_deviance = deviance(single),
                single_null_deviance = single$null.deviance, bic = BIC(single)),
           digits = NA, auto_unbox = TRUE, dataframe = "columns"), "\n")
