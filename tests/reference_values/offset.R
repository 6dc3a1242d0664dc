# Rscript offset.R > offset.json
# Logistic regression with an offset, on Hosmer and Lemeshow's birth weights, in R.
suppressMessages({library(MASS); library(jsonlite)})
data <- with(birthwt, data.frame(low, age, lwt, smoke, ht, ui))
data$known <- 0.7 * birthwt$ptl - 0.05 * (birthwt$age - 23)
data$times <- 1 + (seq_len(nrow(data)) %% 3)
control <- glm.control(epsilon = 1e-15, maxit = 100)
describe <- function(fit) {
  list(coef = unname(coef(fit)), cov = unname(vcov(fit)), deviance = deviance(fit),
       null_deviance = fit$null.deviance, aic = AIC(fit),
       lrt = drop1(fit, test = "LRT")$LRT[-1],
       profile = unname(suppressMessages(confint(fit))),
       p = unname(fitted(fit))[1:5])
}
plain <- glm(low ~ age + lwt + smoke + ht + ui + offset(known), binomial, data,
             control = control)
weighted <- glm(low ~ age + lwt + smoke + ht + ui + offset(known), binomial, data,
                weights = times, control = control)
through_zero <- glm(low ~ 0 + age + lwt + smoke + ht + ui + offset(known), binomial,
                    data, control = control)
cat(toJSON(list(program = R.version.string, data = data, plain = describe(plain),
                weighted = describe(weighted),
                through_zero = list(coef = unname(coef(through_zero)),
                                    deviance = deviance(through_zero))),
           digits = NA, auto_unbox = TRUE, dataframe = "columns"), "\n")
