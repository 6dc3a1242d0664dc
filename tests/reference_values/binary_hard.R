# Separated data, and many indicator columns: endometrial, iris, lizards, schools.
#
# Run in this directory: Rscript binary_hard.R

program <- "binary_hard.R"
source("cases.R")
source("likelihood.R")
source("measures.R")
source("firth.R")
suppressPackageStartupMessages(library(MASS))

packages <- c("brglm2", "sandwich")

# endometrial: quasi-complete separation, all of neovasculization have high grade
raw <- brglm2::endometrial
X <- raw[c("NV", "PI", "EH")]
rest <- raw$NV == 0
stopifnot(all(raw$HG[!rest] == 1))
fit <- fit_glm(X[rest, c("PI", "EH")], raw$HG[rest])
# the lower end of NV's interval, whose deviance is measured from that limit
excess <- function(value) {
  fit_glm(X[c("PI", "EH")], raw$HG, offset = X$NV * value)$deviance -
    fit$deviance - qchisq(0.95, 1)
}
write_case(
  "endometrial", "R package brglm2, endometrial (Heinze and Schemper 2002)", "GPL-3",
  "79 cases of endometrial cancer; NV has no finite estimate",
  list(X = X, y = raw$HG),
  list(separated = "NV", firth = firth_values(X, raw$HG),
       # what the likelihood tends to as the coefficient of NV grows
       limit = c(estimates(fit), list(llf = as.numeric(logLik(fit)),
                                      deviance = fit$deviance)),
       profile = profile_intervals(fit),
       lower_end = uniroot(excess, c(0, 5), tol = 1e-12)$root),
  packages)

# iris: complete separation of two species by one column
raw <- droplevels(subset(datasets::iris, Species != "virginica"))
X <- data.frame(sepal_length = raw$Sepal.Length, petal_length = raw$Petal.Length)
y <- as.integer(raw$Species == "versicolor")
write_case(
  "iris", "R package datasets, iris (Anderson 1935)", "GPL-2 | GPL-3",
  "100 flowers of two species, which the length of petals separates",
  list(X = X, y = y), list(firth = firth_values(X, y)), packages)

# lizards: counts, for Firth's estimates with frequencies
raw <- brglm2::lizards
X <- cbind(tall = as.integer(raw$height == ">=5ft"),
           wide = as.integer(raw$diameter == ">2in"),
           shady = as.integer(raw$light == "shady"))
X <- cbind(as.data.frame(X), indicators(raw$time, "time_"))
events <- raw$grahami
others <- raw$opalinus
firth <- firth_values(rbind(X, X), rep(1:0, each = nrow(X)), c(events, others))
grouped <- glm(cbind(events, others) ~ ., binomial(), X, method = "brglmFit",
               type = "AS_mean", epsilon = 1e-12, maxit = 1000)
stopifnot(max(abs(coef(grouped) - firth$params)) < 1e-8)
write_case(
  "lizards", "R package brglm2, lizards (Schoener 1970)", "GPL-3",
  "564 lizards of two species in 23 habitats",
  list(X = X, y = events, trials = events + others), list(firth = firth), packages)

# schools: 121 indicators of classes beside three columns
raw <- MASS::nlschools
y <- as.integer(raw$lang >= 42)
shares <- tapply(y, raw$class, mean)
kept <- raw$class %in% names(shares)[shares > 0 & shares < 1]
raw <- droplevels(raw[kept, ])
y <- y[kept]
columns <- data.frame(iq = raw$IQ, ses = raw$SES)
dummies <- indicators(raw$class, "class_")
X <- cbind(columns, dummies)
fit <- fit_glm(X, y)
small <- fit_glm(columns, y)
found <- estimates(fit)
for (kind in c("model", "HC0", "HC1")) {
  V <- found[[kind]]
  found[[kind]] <- NULL
  found[[paste0("bse_", kind)]] <- sqrt(diag(V))
  found[[paste0("block_", kind)]] <- V[1:6, 1:6]
}
R <- diag(ncol(X) + 1)[-(1:3), ]
write_case(
  "schools", "R package MASS, nlschools (Snijders and Bosker 1999)", "GPL-2 | GPL-3",
  paste(nrow(X), "pupils of", ncol(dummies) + 1, "classes, those in which some pass and",
        "some do not; classes are indicators, the first is the reference"),
  list(X = columns, y = y, level = as.integer(raw$class),
       levels = sub("class_", "", names(dummies))),
  list(estimates = found, likelihoods = likelihoods(fit),
       ratio = small$deviance - fit$deviance, df = ncol(dummies),
       rao = score_test(small, dummies, anova(small, fit, test = "Rao")$Rao[2])$statistic,
       wald = wald(fit, R, rep(0, nrow(R)), "model")$statistic,
       clustered_small = estimates(small, raw$class),
       profile = profile_intervals(fit, c("iq", "ses")),
       goodness = goodness(y, fitted(fit))))
