"""The report of a serious incident, from a provider."""
