"""What is read of records, by whom and for what; and what is put right in them."""
