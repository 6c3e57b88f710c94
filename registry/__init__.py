"""What is deployed: systems, immutable versions, models, and the states they pass through. Imports nothing of ours."""
