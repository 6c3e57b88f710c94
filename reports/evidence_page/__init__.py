"""The page of text in an evidence folder: what it holds, what was checked, what is missing."""
