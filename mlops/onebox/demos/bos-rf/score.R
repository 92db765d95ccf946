answer <- predict(model, inputData)
