import pandas as pd

species = model.predict(inputData[model.feature_names_in_])
probability = pd.DataFrame(
    model.predict_proba(inputData[model.feature_names_in_]), columns=model.classes_
)
