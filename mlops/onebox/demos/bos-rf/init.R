library(randomForest)
