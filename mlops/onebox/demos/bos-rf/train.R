# Trains the model on the data that ships with MASS, and writes it to model.RData.
library(randomForest)

set.seed(1)
model <- randomForest(medv ~ ., data = MASS::Boston, ntree = 100)
save(model, file = "model.RData")
