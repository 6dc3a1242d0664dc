# Data of counts and of weighted rows: esoph, titanic, admissions, menarche, downs, nwtco.
#
# Run in this directory: Rscript binary_weighted.R

program <- "binary_weighted.R"
source("cases.R")
source("likelihood.R")
source("measures.R")
source("firth.R")
suppressPackageStartupMessages(library(MASS))

#' Rows of events and of others, weighted by their counts, from events and trials.
stacked <- function(X, events, trials, offset = NULL, groups = NULL) {
  list(X = rbind(X, X), y = rep(1:0, each = length(events)),
       weights = c(events, trials - events),
       offset = c(offset, offset), groups = c(groups, groups))
}

#' Values of the rows that weights stand for.
values_of <- function(data, groups = NULL) {
  rows <- repeated(data)
  offset <- if (length(rows$offset)) rows$offset else rep(0, length(rows$y))
  fit <- fit_glm(rows$X, rows$y, offset = offset)
  # the profile of counts is that of rows, and faster
  counted <- fit_glm(data$X, data$y, data$weights,
                     if (length(data$offset)) data$offset else rep(0, length(data$y)))
  list(estimates = estimates(fit, if (length(rows$groups)) rows$groups),
       likelihoods = likelihoods(fit), dropped = dropped_columns(fit),
       profile = profile_intervals(counted),
       goodness = goodness(rows$y, fitted(fit)), effects = effects_of(fit))
}

#' The same fit as glm makes it of counts, whose saturated model is that of cells.
cells_of <- function(X, events, trials, offset = rep(0, length(events))) {
  frame <- cbind(X, o = offset)
  fit <- glm(cbind(events, trials - events) ~ . - o, binomial(), frame, offset = o,
             control = tight)
  list(params = bare(coef(fit)), model = bare(vcov(fit)), deviance = fit$deviance,
       null_deviance = fit$null.deviance, llf = as.numeric(logLik(fit)),
       df_resid = fit$df.residual, aic = AIC(fit), fitted = bare(fitted(fit)))
}

# esoph: cases and controls in 88 cells; age groups are clusters of very unequal size
raw <- datasets::esoph
X <- cbind(indicators(factor(raw$agegp, ordered = FALSE), "age_"),
           alcohol = as.integer(raw$alcgp), tobacco = as.integer(raw$tobgp))
events <- raw$ncases
trials <- raw$ncases + raw$ncontrols
groups <- paste(raw$alcgp, raw$tobgp)
write_case(
  "esoph", "R package datasets, esoph (Breslow and Day 1980)", "GPL-2 | GPL-3",
  paste(sum(events), "cases and", sum(trials - events), "controls in 88 cells;",
        "clusters are the 16 habits of drinking and smoking"),
  list(X = X, y = events, trials = trials, groups = groups),
  c(values_of(stacked(X, events, trials, groups = groups)),
    list(cells = cells_of(X, events, trials),
         firth = firth_values(rbind(X, X), rep(1:0, each = nrow(X)),
                              c(events, trials - events)))))

# titanic: frequencies, some of them 0
raw <- as.data.frame(datasets::Titanic)
X <- data.frame(first = as.integer(raw$Class == "1st"),
                second = as.integer(raw$Class == "2nd"),
                third = as.integer(raw$Class == "3rd"),
                female = as.integer(raw$Sex == "Female"),
                child = as.integer(raw$Age == "Child"))
X$female_third <- X$female * X$third
data <- list(X = X, y = as.integer(raw$Survived == "Yes"), weights = raw$Freq)
write_case(
  "titanic", "R package datasets, Titanic", "GPL-2 | GPL-3",
  "2201 people in 32 cells, 8 of them empty; weights are frequencies",
  data, values_of(data))

# admissions: all indicators of two factors beside the intercept, and interactions
raw <- as.data.frame(datasets::UCBAdmissions)
departments <- sapply(levels(raw$Dept), function(l) as.integer(raw$Dept == l))
colnames(departments) <- paste0("dept_", levels(raw$Dept))
male <- as.integer(raw$Gender == "Male")
X <- data.frame(departments, male = male, female = 1L - male,
                male_A = male * departments[, 1], female_A = (1L - male) *
                  departments[, 1])
data <- list(X = X, y = as.integer(raw$Admit == "Admitted"), weights = raw$Freq)
rows <- repeated(data)
fit <- fit_glm(rows$X, rows$y)
own <- glm(y ~ ., binomial(), cbind(y = data$y, X), weights = data$weights)
aliased <- names(which(is.na(coef(own))))
kept <- setdiff(names(X), aliased)
stopifnot(identical(plain(names(coef(fit)))[-1], kept))
write_case(
  "admissions", "R package datasets, UCBAdmissions (Bickel et al. 1975)",
  "GPL-2 | GPL-3",
  "4526 applicants in 24 cells; three columns are aliased",
  data,
  list(aliased = aliased, estimates = estimates(fit), likelihoods = likelihoods(fit),
       dropped = dropped_columns(fit),
       profile = profile_intervals(fit), goodness = goodness(rows$y, fitted(fit)),
       predicted = bare(fitted(own))))

# menarche: counts with an offset, the slope that is to be tested
raw <- MASS::menarche
X <- data.frame(age = raw$Age)
events <- raw$Menarche
offset <- 1.5 * raw$Age
write_case(
  "menarche", "R package MASS, menarche (Milicer and Szczotka 1966)",
  "GPL-2 | GPL-3", "3918 girls in 25 groups of age; the offset is 1.5 times the age",
  list(X = X, y = events, trials = raw$Total, offset = offset),
  c(values_of(stacked(X, events, raw$Total, offset)),
    list(cells = cells_of(X, events, raw$Total, offset))))

# downs: rare events, 1 in 680, and a column whose square is beside it
raw <- boot::downs.bc
X <- data.frame(age = raw$age, age2 = raw$age^2)
write_case(
  "downs", "R package boot, downs.bc (Geyer 1991)", "Unlimited",
  paste(sum(raw$m), "births by the mother's age,", sum(raw$r), "with Down's syndrome"),
  list(X = X, y = raw$r, trials = raw$m),
  c(values_of(stacked(X, raw$r, raw$m)), list(cells = cells_of(X, raw$r, raw$m))))

# nwtco: a sample of a cohort, all cases and some of the others, with its weights
raw <- survival::nwtco
raw <- raw[raw$in.subcohort | raw$rel == 1, ]
X <- data.frame(histology = as.integer(raw$histol == 2), stage3 =
                  as.integer(raw$stage >= 3), stage4 = as.integer(raw$stage == 4),
                age = raw$age)
y <- raw$rel
others <- sum(survival::nwtco$rel == 0)
weights <- ifelse(y == 1, 1, round(others / sum(y == 0), 4))
fit <- fit_glm(X, y, weights)
share <- weights / mean(weights)
analytic <- fit_glm(X, y, share)
design <- model.matrix(fit)
residual <- y - fitted(fit)
bread <- vcov(analytic)
squared <- crossprod(design, (share * residual)^2 * design)
write_case(
  "nwtco", "R package survival, nwtco (Breslow and Chatterjee 1999)", "LGPL (>= 2)",
  paste(nrow(X), "children of a case-cohort sample, weights inverse to the",
        "probability of selection"),
  list(X = X, y = y, weights = weights),
  list(probability = estimates(fit),
       # scores hold the weights, as in sandwich::vcovHC
       analytic = list(params = bare(coef(analytic)), model = bare(bread),
                       HC0 = bare(bread %*% squared %*% bread),
                       HC1 = bare(bread %*% squared %*% bread) * nrow(X) /
                         (nrow(X) - ncol(design)),
                       deviance = analytic$deviance, nobs = nrow(X))))
