"""From a request to a recorded result: gate, generation, record, release."""
