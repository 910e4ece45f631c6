"""OpenFGA's modelling language: text to a checked document. Knows no tuples and answers nothing."""
