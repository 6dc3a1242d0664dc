# Rscript cluster.R > cluster.json
# Cluster-robust covariances of sandwich::vcovCL, on MASS::bacteria: 50 children with 2 to
# 5 tests each.
suppressMessages({library(MASS); library(sandwich); library(lmtest); library(jsonlite)})
data <- with(bacteria, data.frame(y = as.integer(y == "y"), drug = as.integer(trt == "drug"),
                                  strong = as.integer(trt == "drug+"), week,
                                  late = as.integer(week > 2), child = as.character(ID)))
data$times <- 1 + (seq_len(nrow(data)) %% 3)
control <- glm.control(epsilon = 1e-15, maxit = 100)
describe <- function(formula, rows, cluster) {
  fit <- glm(formula, binomial, rows, control = control)
  cov <- vcovCL(fit, cluster = rows[[cluster]], type = "HC1", cadjust = TRUE)
  test <- waldtest(fit, . ~ 1, vcov = cov, test = "Chisq")
  list(coef = unname(coef(fit)), cov = unname(cov), statistic = test$Chisq[2],
       df = abs(test$Df[2]), n_groups = length(unique(rows[[cluster]])))
}
repeated <- data[rep(seq_len(nrow(data)), data$times), ]
data$row <- seq_len(nrow(data))
formula <- y ~ drug + strong + week
cat(toJSON(list(program = paste(R.version.string, "sandwich", packageVersion("sandwich")),
                data = data, child = describe(formula, data, "child"),
                week = describe(y ~ drug + strong, data, "week"),
                repeated = describe(formula, repeated, "child"),
                single = describe(formula, data, "row")),
           digits = NA, auto_unbox = TRUE, dataframe = "columns"), "\n")
