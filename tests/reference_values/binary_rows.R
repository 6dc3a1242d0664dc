# Data of single rows: birthwt, bacteria, infert, pima, quakes.
#
# Run in this directory: Rscript binary_rows.R

program <- "binary_rows.R"
source("cases.R")
source("likelihood.R")
source("measures.R")
source("firth.R")
suppressPackageStartupMessages(library(MASS))

# birthwt: everything there is, for a model of usual size and shape
raw <- MASS::birthwt
X <- data.frame(age = raw$age, lwt = raw$lwt, race_black = as.integer(raw$race == 2),
                race_other = as.integer(raw$race == 3), smoke = raw$smoke,
                ptl = raw$ptl, ht = raw$ht, ui = raw$ui)
Z <- data.frame(ftv = raw$ftv, age2 = raw$age^2, lwt_smoke = raw$lwt * raw$smoke)
y <- raw$low
fit <- fit_glm(X, y)
small <- fit_glm(X[c("lwt", "smoke", "ht")], y)
R1 <- rbind(c(0, 0, 0, 1, -1, 0, 0, 0, 0))
R2 <- rbind(c(0, 1, 0, 0, 0, 0, 0, 0, 0), c(0, 0, 0, 0, 0, 1, 0, 0, -1))
write_case(
  "birthwt", "R package MASS, birthwt (Hosmer and Lemeshow 1989)", "GPL-2 | GPL-3",
  "189 births, low birth weight; 59 events",
  list(X = X, y = y, candidates = lapply(Z, identity)),
  list(
    estimates = estimates(fit), likelihoods = likelihoods(fit),
    dropped = dropped_columns(fit),
    together = list(dropped_together(X, y, c("race_black", "race_other")),
                    dropped_together(X, y, c("age", "ptl", "ui"))),
    candidates = candidates(X, y, Z),
    nested = list(columns = c("lwt", "smoke", "ht"),
                  statistic = small$deviance - fit$deviance,
                  df = small$df.residual - fit$df.residual),
    wald = list(
      list(hypothesis = "race_black = race_other", kind = "model",
           test = wald(fit, R1, 0, "model")),
      list(hypothesis = "race_black = race_other", kind = "HC1",
           test = wald(fit, R1, 0, "HC1")),
      list(hypothesis = "age = -0.1, smoke = ui + 0.5", kind = "HC0",
           test = wald(fit, R2, c(-0.1, 0.5), "HC0"))),
    vif = inflation(fit, c(setdiff(names(X), c("race_black", "race_other")),
                           list(c("race_black", "race_other")))),
    profile = profile_intervals(fit), goodness = goodness(y, fitted(fit)),
    effects = effects_of(fit), rows = rows_of(fit), firth = firth_values(X, y)))

# bacteria: repeated measurements of children, clusters of 2 to 5 rows, string ids
raw <- MASS::bacteria
X <- data.frame(week = raw$week, drug = as.integer(raw$trt == "drug"),
                drug_plus = as.integer(raw$trt == "drug+"))
y <- as.integer(raw$y == "y")
fit <- fit_glm(X, y)
write_case(
  "bacteria", "R package MASS, bacteria", "GPL-2 | GPL-3",
  "220 tests of 50 children; clusters are children, y is presence of H. influenzae",
  list(X = X, y = y, groups = as.character(raw$ID)),
  list(estimates = estimates(fit, raw$ID), likelihoods = likelihoods(fit),
       dropped = dropped_columns(fit), profile = profile_intervals(fit),
       goodness = goodness(y, fitted(fit)), effects = effects_of(fit),
       rows = rows_of(fit)))

# infert: clusters by matched stratum, numeric ids
raw <- datasets::infert
X <- data.frame(age = raw$age, parity = raw$parity, induced = raw$induced,
                spontaneous = raw$spontaneous)
X <- cbind(X, indicators(raw$education, "education_"))
fit <- fit_glm(X, raw$case)
write_case(
  "infert", "R package datasets, infert (Trichopoulos et al. 1976)", "GPL-2 | GPL-3",
  "248 women in 83 matched strata, which are the clusters",
  list(X = X, y = raw$case, groups = raw$stratum),
  list(estimates = estimates(fit, raw$stratum), likelihoods = likelihoods(fit),
       dropped = dropped_columns(fit),
       together = list(dropped_together(X, raw$case, names(X)[5:6])),
       profile = profile_intervals(fit), goodness = goodness(raw$case, fitted(fit)),
       effects = effects_of(fit), rows = rows_of(fit)))

# pima: the linear predictor of one sample is the offset in another
train <- MASS::Pima.tr
test <- MASS::Pima.te
columns <- c("npreg", "glu", "bp", "skin", "bmi", "ped", "age")
first <- fit_glm(train[columns], as.integer(train$type == "Yes"))
offset <- round(drop(cbind(1, as.matrix(test[columns])) %*% coef(first)), 6)
X <- test[c("npreg", "glu", "bmi", "age")]
y <- as.integer(test$type == "Yes")
fit <- fit_glm(X, y, offset = offset)
# and a model of the first sample, measured on the second
known <- train[names(X)]
of_train <- fit_glm(known, as.integer(train$type == "Yes"))
expected <- unname(plogis(drop(cbind(1, as.matrix(X)) %*% coef(of_train))))
write_case(
  "pima", "R package MASS, Pima.te and Pima.tr", "GPL-2 | GPL-3",
  paste("332 women; the offset is the linear predictor that 200 others give, and the",
        "coefficients say by how much it errs"),
  list(X = X, y = y, offset = offset,
       training = list(X = unname(as.list(known)), y = as.integer(train$type == "Yes")),
       candidates = list(ped = test$ped, skin = test$skin)),
  list(estimates = estimates(fit), likelihoods = likelihoods(fit),
       dropped = dropped_columns(fit),
       together = list(dropped_together(X, y, c("npreg", "age"), offset)),
       candidates = candidates(X, y, test[c("ped", "skin")], offset),
       profile = profile_intervals(fit), goodness = goodness(y, fitted(fit)),
       effects = effects_of(fit), rows = rows_of(fit),
       firth = firth_values(X, y, offset = offset),
       without_offset = estimates(fit_glm(X, y)),
       predicted = bare(fitted(fit)),
       of_training = list(params = bare(coef(of_train)), predicted = expected,
                          goodness = goodness(y, expected, in_sample = FALSE))))

# quakes: columns of scales from 1e-7 to 1e9, one far from zero
raw <- datasets::quakes
y <- as.integer(raw$stations >= 50)
plain_X <- data.frame(lat = raw$lat, long = raw$long, depth = raw$depth, mag = raw$mag)
# exact in binary and decimal: whole numbers, but for the magnitude
X <- data.frame(lat = raw$lat * 1e-7, long_arcsec = round(raw$long * 3600),
                depth_mm = raw$depth * 1e6, mag = raw$mag)
fit <- fit_glm(X, y)
write_case(
  "quakes", "R package datasets, quakes", "GPL-2 | GPL-3",
  paste("1000 earthquakes near Fiji, recorded by 50 stations or more; columns in units",
        "that make them 1e-6 to 1e9 large"),
  list(X = X, y = y),
  list(estimates = estimates(fit), likelihoods = likelihoods(fit),
       dropped = dropped_columns(fit), profile = profile_intervals(fit),
       goodness = goodness(y, fitted(fit)), effects = effects_of(fit)))
